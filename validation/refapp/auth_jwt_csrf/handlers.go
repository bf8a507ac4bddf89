package main

import (
	"expvar"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/csrf"
	"github.com/goceleris/celeris/middleware/jwt"

	"probatorium/refapp/common"
)

const pageSize = 20

type handlers struct {
	users           *Users
	key             []byte
	issued, revoked *expvar.Int
}

// caller is who the access token speaks for.
type caller struct{ id, name, grant string }

const callerKey = "caller"

func current(c *celeris.Context) caller {
	value, _ := c.Get(callerKey)
	known, _ := value.(caller)
	return known
}

// requireUser stands behind the jwt middleware: a token that was logged out is
// refused although its signature and times are good.
func (h *handlers) requireUser(c *celeris.Context) error {
	claims, _ := jwt.ClaimsFromContext[jwt.MapClaims](c)
	id, _ := claims["sub"].(string)
	grant, _ := claims["jti"].(string)
	name, ok := h.users.name(id, grant)
	if !ok {
		c.SetHeader("www-authenticate", `Bearer error="invalid_token"`)
		return common.Refuse(c, 401, common.Problem{Error: "unauthorized", Detail: "the token was revoked"})
	}
	c.Set(callerKey, caller{id: id, name: name, grant: grant})
	return c.Next()
}

// sign makes a token whose times are relative to now; a zero time is left out.
func (h *handlers) sign(userID, grant string, notBefore, expires time.Duration) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{"iss": issuer, "sub": userID, "jti": grant, "iat": now.Unix(), "exp": now.Add(expires).Unix()}
	if notBefore != 0 {
		claims["nbf"] = now.Add(notBefore).Unix()
	}
	return jwt.SignToken(jwt.SigningMethodHS256, claims, h.key)
}

func (h *handlers) answerGrant(c *celeris.Context, grant Grant) error {
	access, err := h.sign(grant.UserID, grant.ID, 0, accessLifetime)
	if err != nil {
		return err
	}
	h.issued.Add(1)
	c.SetHeader("cache-control", "no-store")
	return c.JSON(200, map[string]any{
		"user":         map[string]string{"id": grant.UserID, "name": grant.Name},
		"access_token": access, "refresh_token": grant.Refresh,
		"token_type": "Bearer", "expires_in": int(accessLifetime.Seconds()),
	})
}

func (h *handlers) unauthorized(c *celeris.Context, detail string) error {
	c.SetHeader("www-authenticate", "Bearer")
	return c.JSON(401, common.Problem{Error: "unauthorized", Detail: detail})
}

func (h *handlers) login(c *celeris.Context) error {
	var asked struct{ User, Password string }
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if asked.User == "" || len(asked.User) > 100 || asked.Password == "" {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "user and password are needed"})
	}
	grant, ok := h.users.login(asked.User, asked.Password)
	if !ok {
		return h.unauthorized(c, "wrong password")
	}
	return h.answerGrant(c, grant)
}

func (h *handlers) refresh(c *celeris.Context) error {
	var asked struct {
		Token string `json:"refresh_token"`
	}
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	grant, ok := h.users.refresh(asked.Token)
	if !ok {
		return h.unauthorized(c, "the refresh token is unknown or was used")
	}
	return h.answerGrant(c, grant)
}

func (h *handlers) logout(c *celeris.Context) error {
	who := current(c)
	h.users.revoke(who.id, who.grant)
	h.revoked.Add(1)
	return c.NoContent(204)
}

func (h *handlers) me(c *celeris.Context) error {
	who := current(c)
	return c.JSON(200, map[string]any{"user": map[string]string{"id": who.id, "name": who.name}})
}

// oddToken signs tokens with the true key that must be refused because of their
// times, so that a client can try them without waiting.
func (h *handlers) oddToken(c *celeris.Context) error {
	who := current(c)
	var notBefore, expires time.Duration
	switch c.Param("kind") {
	case "expired":
		expires = -2 * time.Second
	case "expiring":
		// Refused on or after the time in exp (RFC 7519 4.1.4), so from this very second on.
		expires = 0
	case "early":
		notBefore, expires = time.Hour, 2*time.Hour
	default:
		return common.Missing(c, "no such kind of token")
	}
	token, err := h.sign(who.id, who.grant, notBefore, expires)
	if err != nil {
		return err
	}
	return c.JSON(200, map[string]string{"token": token})
}

func (h *handlers) csrfToken(c *celeris.Context) error {
	c.SetHeader("cache-control", "no-store")
	return c.JSON(200, map[string]string{"token": csrf.TokenFromContext(c)})
}

func (h *handlers) list(c *celeris.Context) error {
	return c.JSON(200, map[string]any{"documents": h.users.list(current(c).id, pageSize)})
}

func (h *handlers) read(c *celeris.Context) error {
	document, ok := h.users.read(current(c).id, c.Param("id"))
	if !ok {
		return common.Missing(c, "document")
	}
	return c.JSON(200, document)
}

// content reads a document's title and text; else it has answered.
func content(c *celeris.Context) (asked Document, ok bool, answer error) {
	if ok, answer := common.Bind(c, &asked); !ok {
		return asked, false, answer
	}
	if asked.Title == "" {
		return asked, false, c.JSON(422, common.Problem{Error: "invalid", Detail: "a title is needed"})
	}
	return asked, true, nil
}

func (h *handlers) create(c *celeris.Context) error {
	asked, ok, answer := content(c)
	if !ok {
		return answer
	}
	document, ok := h.users.create(current(c).id, asked.Title, asked.Text)
	if !ok {
		return common.Missing(c, "user")
	}
	c.SetHeader("location", "/documents/"+document.ID)
	return c.JSON(201, document)
}

func (h *handlers) replace(c *celeris.Context) error {
	asked, ok, answer := content(c)
	if !ok {
		return answer
	}
	document, ok := h.users.replace(current(c).id, c.Param("id"), asked.Title, asked.Text)
	if !ok {
		return common.Missing(c, "document")
	}
	return c.JSON(200, document)
}

func (h *handlers) remove(c *celeris.Context) error {
	if !h.users.remove(current(c).id, c.Param("id")) {
		return common.Missing(c, "document")
	}
	return c.NoContent(204)
}
