package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"expvar"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/session"

	"probatorium/refapp/common"
)

// Keys within a session. celeris compares the two owners in a validation build
// (session_owner_mismatches): the one at login, and the one that this request was served as.
const (
	ownerKey    = "_owner"
	servedAsKey = "_expected_owner"
	draftKey    = "draft"
	loginsKey   = "logins"
	visitsKey   = "visits"
)

// accountKeyName is where requireAccount leaves the account of the request.
const accountKeyName = "account"

const pageSize = 20

type handlers struct {
	accounts       *Accounts
	created, ended *expvar.Int
}

type credentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Bio      string `json:"bio"`
}

func (h *handlers) register(c *celeris.Context) error {
	var asked credentials
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if asked.User == "" || len(asked.User) > 100 || asked.Password == "" || len(asked.Bio) > 4096 {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "user and password are needed, bio has up to 4096 bytes"})
	}
	account, err := h.accounts.register(asked.User, asked.Password, asked.Bio)
	if errors.Is(err, errTaken) {
		return c.JSON(409, common.Problem{Error: "taken", Detail: err.Error()})
	}
	if err != nil {
		return c.JSON(403, common.Problem{Error: "full", Detail: err.Error()})
	}
	c.SetHeader("location", "/users/"+account.ID)
	return c.JSON(201, account)
}

func (h *handlers) login(c *celeris.Context) error {
	var asked credentials
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	account, ok := h.accounts.verify(asked.User, asked.Password)
	if !ok {
		c.SetHeader("www-authenticate", common.Challenge)
		return c.JSON(401, common.Problem{Error: "unauthorized", Detail: "unknown user or wrong password"})
	}
	s := session.FromContext(c)
	logins := s.GetFloat64(loginsKey)
	s.Clear()
	// A session that was known before the login must not be the one after it.
	if err := s.Regenerate(); err != nil {
		return err
	}
	s.Set(ownerKey, account.ID)
	s.Set(servedAsKey, account.ID)
	s.Set(loginsKey, logins+1)
	h.created.Add(1)
	return c.JSON(200, map[string]any{"user": account, "session": fingerprint(s.ID())})
}

// fingerprint tells two sessions apart without telling either.
func fingerprint(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:6])
}

// requireAccount answers 401 unless the session belongs to a living account.
func (h *handlers) requireAccount(c *celeris.Context) error {
	s := session.FromContext(c)
	owner := s.GetString(ownerKey)
	if owner == "" {
		c.SetHeader("www-authenticate", common.Challenge)
		return common.Refuse(c, 401, common.Problem{Error: "unauthorized", Detail: "log in first"})
	}
	account, ok := h.accounts.get(owner)
	if !ok {
		c.SetHeader("www-authenticate", common.Challenge)
		return common.Refuse(c, 401, common.Problem{Error: "unauthorized", Detail: "the account is gone"})
	}
	c.Set(accountKeyName, account)
	return c.Next()
}

func current(c *celeris.Context) Account {
	value, _ := c.Get(accountKeyName)
	account, _ := value.(Account)
	return account
}

// accountKey is the rate limits' key: the limiter keeps it, and an account's id is memory of our own.
func accountKey(c *celeris.Context) string { return current(c).ID }

// addressKey is cloned, since the limiter keeps it and a path parameter dies with the request.
func addressKey(c *celeris.Context) string { return common.Clone(c.Param("address")) }

func tooMany(c *celeris.Context, _ error) error {
	return common.Refuse(c, 429, common.Problem{Error: "too_many_requests", Detail: "see retry-after"})
}

func (h *handlers) logout(c *celeris.Context) error {
	if err := session.FromContext(c).Destroy(); err != nil {
		return err
	}
	h.ended.Add(1)
	return c.NoContent(204)
}

func (h *handlers) me(c *celeris.Context) error {
	s := session.FromContext(c)
	return c.JSON(200, map[string]any{"user": current(c), "session": fingerprint(s.ID())})
}

// own reports whether the account in the path is the caller's; else it has answered.
func own(c *celeris.Context) (bool, error) {
	if c.Param("id") == current(c).ID {
		return true, nil
	}
	return false, c.JSON(403, common.Problem{Error: "forbidden", Detail: "not your account"})
}

func (h *handlers) profile(c *celeris.Context) error {
	if ok, answer := own(c); !ok {
		return answer
	}
	return c.JSON(200, current(c))
}

func (h *handlers) changeProfile(c *celeris.Context) error {
	if ok, answer := own(c); !ok {
		return answer
	}
	var asked credentials
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	account, ok := h.accounts.setBio(current(c).ID, asked.Bio)
	if !ok {
		return common.Missing(c, "account")
	}
	return c.JSON(200, account)
}

func (h *handlers) deleteAccount(c *celeris.Context) error {
	if ok, answer := own(c); !ok {
		return answer
	}
	h.accounts.remove(current(c).ID)
	if err := session.FromContext(c).Destroy(); err != nil {
		return err
	}
	h.ended.Add(1)
	return c.NoContent(204)
}

// visit counts within a session that nobody logged in to.
func (h *handlers) visit(c *celeris.Context) error {
	s := session.FromContext(c)
	visits := s.GetFloat64(visitsKey) + 1
	s.Set(visitsKey, visits)
	return c.JSON(200, map[string]any{"visitor": fingerprint(s.ID()), "visits": visits})
}

type draft struct {
	Text string `json:"text"`
}

func (h *handlers) draft(c *celeris.Context) error {
	return c.JSON(200, draft{Text: session.FromContext(c).GetString(draftKey)})
}

func (h *handlers) saveDraft(c *celeris.Context) error {
	var asked draft
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	session.FromContext(c).Set(draftKey, asked.Text)
	return c.JSON(200, asked)
}

func (h *handlers) createPost(c *celeris.Context) error {
	var asked Post
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if asked.Title == "" {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "a title is needed"})
	}
	post, ok := h.accounts.addPost(current(c).ID, asked.Title, asked.Text)
	if !ok {
		return common.Missing(c, "account")
	}
	c.SetHeader("location", "/posts/"+post.ID)
	return c.JSON(201, post)
}

func (h *handlers) posts(c *celeris.Context) error {
	return c.JSON(200, map[string]any{"posts": h.accounts.posts(current(c).ID, "", pageSize)})
}

func (h *handlers) search(c *celeris.Context) error {
	words := c.Query("q")
	found := h.accounts.posts(current(c).ID, words, pageSize)
	return c.JSON(200, map[string]any{"q": words, "posts": found})
}

func (h *handlers) post(c *celeris.Context) error {
	post, ok := h.accounts.post(current(c).ID, c.Param("id"))
	if !ok {
		return common.Missing(c, "post")
	}
	return c.JSON(200, post)
}

func (h *handlers) changePost(c *celeris.Context) error {
	var asked Post
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	post, ok := h.accounts.changePost(current(c).ID, c.Param("id"), asked.Title, asked.Text)
	if !ok {
		return common.Missing(c, "post")
	}
	return c.JSON(200, post)
}

func (h *handlers) deletePost(c *celeris.Context) error {
	if !h.accounts.removePost(current(c).ID, c.Param("id")) {
		return common.Missing(c, "post")
	}
	return c.NoContent(204)
}

// sendCode stands for a message to an address: the rate limit is what the route is about.
func (h *handlers) sendCode(c *celeris.Context) error {
	return c.JSON(202, map[string]string{"address": c.Param("address"), "code": newID()[:6]})
}
