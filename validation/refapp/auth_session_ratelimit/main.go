// Command auth_session_ratelimit serves accounts behind celeris's session
// middleware: registration, login, a profile and posts of one's own, a draft
// that lives in the session itself, and three rate limits.
package main

import (
	"time"

	"github.com/goceleris/celeris/middleware/ratelimit"
	"github.com/goceleris/celeris/middleware/session"

	"probatorium/refapp/common"
)

const (
	cookieName  = "celeris_session"
	sessionIdle = 5 * time.Minute
	// codesPerAddress are sent at once; another one only after codeRefill.
	codesPerAddress = 3
	codeRefill      = 30 * time.Second
	// A client that searches more often within a second meets the limit.
	searchesPerSecond = 20
	postsPerSecond    = 200
	postBurst         = 400
)

func main() {
	app := common.New("auth_session_ratelimit", []string{"I-MW-SESSION", "I-MW-RATELIMIT", "I-PANIC"}, nil)
	s := app.Server
	s.Use(app.Recovery())

	accounts := newAccounts()
	app.Vars.Func("accounts", func() any { return accounts.count() })
	h := &handlers{accounts: accounts}
	h.created = app.Vars.Counter("session_created")
	h.ended = app.Vars.Counter("session_ended")

	sessions := session.New(session.Config{
		Store:       session.NewMemoryStore(),
		CookieName:  cookieName,
		IdleTimeout: sessionIdle,
	})
	// The session of a request is known only within this group, so that probes of the other routes make none.
	signedOut := s.Group("", common.Buffer, sessions)
	signedOut.POST("/users", h.register)
	signedOut.POST("/login", h.login)
	signedIn := s.Group("", common.Buffer, sessions, h.requireAccount)
	signedIn.POST("/logout", h.logout)
	signedIn.GET("/me", h.me)
	signedIn.GET("/users/:id", h.profile)
	signedIn.PUT("/users/:id", h.changeProfile)
	signedIn.DELETE("/users/:id", h.deleteAccount)
	signedIn.GET("/draft", h.draft)
	signedIn.PUT("/draft", h.saveDraft)
	signedIn.GET("/posts", h.posts)
	signedIn.GET("/posts/:id", h.post)
	signedIn.PUT("/posts/:id", h.changePost)
	signedIn.DELETE("/posts/:id", h.deletePost)

	// The middleware alone, as its documentation shows it.
	s.GET("/visits", session.New(session.Config{CookieName: "celeris_visit", IdleTimeout: sessionIdle}), h.visit)

	posting := ratelimit.New(ratelimit.Config{RPS: postsPerSecond, Burst: postBurst, KeyFunc: accountKey, ErrorHandler: tooMany})
	signedIn.POST("/posts", posting, h.createPost)
	searching := ratelimit.New(ratelimit.Config{
		RPS: searchesPerSecond, Burst: searchesPerSecond, SlidingWindow: true, KeyFunc: accountKey, ErrorHandler: tooMany,
	})
	signedIn.GET("/search", searching, h.search)
	codes := ratelimit.New(ratelimit.Config{
		RPS: 1 / codeRefill.Seconds(), Burst: codesPerAddress, KeyFunc: addressKey, ErrorHandler: tooMany,
	})
	s.POST("/codes/:address", codes, h.sendCode)

	app.Base(map[string]any{"routes": "users, login, logout, me, draft, posts, search, codes"})
	app.Sockets("/ws")
	app.Events("/events")
	app.Run()
}
