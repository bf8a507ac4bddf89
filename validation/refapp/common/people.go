package common

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/session"
	"github.com/goceleris/celeris/middleware/store"
)

// UserStore keeps users in a backend.
type UserStore interface {
	// AddUser returns ErrTaken where the name is in use.
	AddUser(ctx context.Context, name string, salt, secret []byte) error
	// User returns ErrMissing where nobody has the name.
	User(ctx context.Context, name string) (salt, secret []byte, err error)
}

// People are the routes of users who sign in with a name and a password.
type People struct {
	Store UserStore
	// Refuse answers for an error of the store.
	Refuse func(*celeris.Context, error) error
}

const (
	ownerKey = "owner"
	// Few rounds: the accounts live as long as a run, and logins are part of the load.
	rounds       = 600
	longestName  = 100
	longestShort = 200
	saltSize     = 16
	sessionIdle  = 30 * time.Minute
)

// Named says whether a text is not empty, not too long and free of NUL, which PostgreSQL does not keep.
func Named(text string, most int) bool {
	return text != "" && len(text) <= most && !strings.ContainsRune(text, 0)
}

// KeyPart turns a user's name into a word that is fit for the key of any backend.
func KeyPart(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:10])
}

type credentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

func digestPassword(password string, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
}

// SecretText is how a backend of texts keeps salt and secret.
func SecretText(salt, secret []byte) string { return hex.EncodeToString(slices.Concat(salt, secret)) }

// ReadSecret undoes SecretText.
func ReadSecret(text string) (salt, secret []byte, err error) {
	both, err := hex.DecodeString(text)
	if err != nil || len(both) < saltSize {
		return nil, nil, errors.New("the entry of a user is damaged")
	}
	return both[:saltSize], both[saltSize:], nil
}

// Mount mounts the routes of signing in, with sessions that are kept in a
// backend, and returns the group of those who have signed in.
func (p *People) Mount(s *celeris.Server, sessions store.KV) *celeris.RouteGroup {
	signedOut := s.Group("", Buffer, session.New(session.Config{Store: sessions, IdleTimeout: sessionIdle}))
	signedIn := signedOut.Group("", p.Require)
	for _, route := range []*celeris.Route{
		signedOut.POST("/users", p.Register),
		signedOut.POST("/login", p.Login),
		signedIn.POST("/logout", p.Logout),
		signedIn.GET("/me", p.Me),
	} {
		route.UsesDriver()
	}
	return signedIn
}

// Register makes a user.
func (p *People) Register(c *celeris.Context) error {
	var asked credentials
	if ok, answer := Bind(c, &asked); !ok {
		return answer
	}
	if !Named(asked.User, longestName) || asked.Password == "" || len(asked.Password) > longestShort {
		return c.JSON(422, Problem{Error: "invalid", Detail: "user (up to 100 bytes) and password (up to 200) are needed"})
	}
	ctx, cancel := limit()
	defer cancel()
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt)
	secret, err := digestPassword(asked.Password, salt)
	if err == nil {
		err = p.Store.AddUser(ctx, asked.User, salt, secret)
	}
	if err != nil {
		return p.Refuse(c, err)
	}
	return c.JSON(201, map[string]string{"user": asked.User})
}

// Login binds the session to a user. It has to stand behind the session middleware.
func (p *People) Login(c *celeris.Context) error {
	var asked credentials
	if ok, answer := Bind(c, &asked); !ok {
		return answer
	}
	ctx, cancel := limit()
	defer cancel()
	good, err := p.verify(ctx, asked)
	if err != nil {
		return p.Refuse(c, err)
	}
	if !good {
		c.SetHeader("www-authenticate", Challenge)
		return c.JSON(401, Problem{Error: "unauthorized", Detail: "unknown user or wrong password"})
	}
	s := session.FromContext(c)
	s.Clear()
	// A session that was known before the login must not be the one after it.
	if err := s.Regenerate(); err != nil {
		return p.Refuse(c, err)
	}
	s.Set(ownerKey, asked.User)
	return c.JSON(200, map[string]string{"user": asked.User})
}

func (p *People) verify(ctx context.Context, asked credentials) (bool, error) {
	if !Named(asked.User, longestName) {
		return false, nil
	}
	salt, secret, err := p.Store.User(ctx, asked.User)
	if errors.Is(err, ErrMissing) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	tried, err := digestPassword(asked.Password, salt)
	return subtle.ConstantTimeCompare(tried, secret) == 1, err
}

// Logout ends the session.
func (p *People) Logout(c *celeris.Context) error {
	if err := session.FromContext(c).Destroy(); err != nil {
		return p.Refuse(c, err)
	}
	return c.NoContent(204)
}

// Me says who is signed in.
func (p *People) Me(c *celeris.Context) error {
	return c.JSON(200, map[string]string{"user": Owner(c)})
}

// Require lets only signed-in users through; Owner gives their name.
func (p *People) Require(c *celeris.Context) error {
	name := session.FromContext(c).GetString(ownerKey)
	if name == "" {
		c.SetHeader("www-authenticate", Challenge)
		return Refuse(c, 401, Problem{Error: "unauthorized", Detail: "sign in first"})
	}
	c.Set(ownerKey, name)
	return c.Next()
}

// Owner is the user whom Require let through.
func Owner(c *celeris.Context) string {
	value, _ := c.Get(ownerKey)
	name, _ := value.(string)
	return name
}
