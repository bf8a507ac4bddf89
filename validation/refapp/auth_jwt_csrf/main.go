// Command auth_jwt_csrf serves documents behind celeris's jwt and csrf
// middleware: a bearer token says who asks, and what changes something also
// needs the CSRF token that belongs to the caller's cookie.
package main

import (
	"crypto/rand"
	"time"

	"github.com/goceleris/celeris/middleware/csrf"
	"github.com/goceleris/celeris/middleware/jwt"

	"probatorium/refapp/common"
)

const (
	issuer         = "auth_jwt_csrf"
	accessLifetime = 15 * time.Minute
	csrfLifetime   = 10 * time.Minute
)

func main() {
	app := common.New("auth_jwt_csrf", []string{"I-MW-JWT", "I-PANIC"}, nil)
	s := app.Server
	s.Use(app.Recovery())

	key := make([]byte, 32)
	_, _ = rand.Read(key)
	h := &handlers{
		users:   newUsers(),
		key:     key,
		issued:  app.Vars.Counter("jwt_issued"),
		revoked: app.Vars.Counter("jwt_revoked"),
	}
	app.Vars.Func("users", func() any { return h.users.count() })

	bearer := jwt.New(jwt.Config{SigningKey: key, ParseOptions: []jwt.ParserOption{jwt.WithIssuer(issuer)}})
	forgery := csrf.New(csrf.Config{
		CookieName:   "csrf",
		CookieMaxAge: int(csrfLifetime.Seconds()),
		Storage:      csrf.NewMemoryStorage(),
		Expiration:   csrfLifetime,
	})

	s.POST("/login", h.login)
	s.POST("/refresh", h.refresh)
	s.GET("/csrf", forgery, h.csrfToken)
	signedIn := s.Group("", bearer, h.requireUser)
	signedIn.GET("/me", h.me)
	signedIn.POST("/logout", h.logout)
	signedIn.GET("/tokens/:kind", h.oddToken)
	signedIn.GET("/documents", h.list)
	signedIn.GET("/documents/:id", h.read)
	changing := signedIn.Group("", forgery)
	changing.POST("/documents", h.create)
	changing.PUT("/documents/:id", h.replace)
	changing.DELETE("/documents/:id", h.remove)

	app.Base(map[string]any{"routes": "login, refresh, logout, me, csrf, documents, tokens"})
	app.Sockets("/ws")
	app.Events("/events")
	app.Run()
}
