// Command driver_memcached keeps its data in memcached through celeris's own
// driver: users, values with compare-and-swap and time to live, counters, many
// values at once, folders of documents, sessions and a rate limit.
package main

import (
	"context"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/driver/memcached"
	"github.com/goceleris/celeris/middleware/ratelimit"
	ratestore "github.com/goceleris/celeris/middleware/ratelimit/memcachedstore"
	"github.com/goceleris/celeris/middleware/session"
	sessionstore "github.com/goceleris/celeris/middleware/session/memcachedstore"

	"probatorium/refapp/common"
)

const (
	poolSize = 24
	// The second client only reads back what the first one wrote; it speaks the binary protocol, the first text.
	mirrorSize  = 8
	sessionIdle = 30 * time.Minute
	startLimit  = 10 * time.Second
	// codesPerAddress are sent at once; another one only after codeRefill.
	codesPerAddress = 3
	codeRefill      = 30 * time.Second
)

func main() {
	app := common.New("driver_memcached", []string{"I-DRV", "I-PANIC"}, nil)
	s := app.Server
	s.Use(app.Recovery())
	address := common.Backend("PROBATORIUM_MEMCACHED", "127.0.0.1:11211")
	space := app.Namespace() + ":"
	h := &handlers{readBack: app.ReadBack(), failures: app.Vars.Counter("backend_errors")}

	// The driver looks at the routes when a client is opened with the engine: one that uses it must be there already.
	s.GET("/backend", h.backend).UsesDriver()
	client := open(app, "pool", address, memcached.WithEngine(s), memcached.WithMaxOpen(poolSize))
	mirror := open(app, "mirror", address, memcached.WithProtocol(memcached.ProtocolBinary), memcached.WithMaxOpen(mirrorSize))
	h.store = &store{client: client, mirror: mirror, space: space}

	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		common.Fail(1, "memcached: %v", err)
	}
	limits, err := ratestore.New(client, ratestore.Options{
		KeyPrefix: space + "rate:", RPS: 1 / codeRefill.Seconds(), Burst: codesPerAddress,
	})
	if err != nil {
		common.Fail(1, "memcached: %v", err)
	}
	sessions := sessionstore.New(client, sessionstore.Options{KeyPrefix: space + "session:"})
	people := &common.People{Store: h.store, Refuse: h.refuse}
	app.OnStop(func() {
		_ = mirror.Close()
		_ = client.Close()
	})

	signedOut := s.Group("", common.Buffer, session.New(session.Config{Store: sessions, IdleTimeout: sessionIdle}))
	signedIn := signedOut.Group("", people.Require)
	codes := ratelimit.New(ratelimit.Config{Store: limits, KeyFunc: addressKey, ErrorHandler: tooMany})
	for _, route := range []*celeris.Route{
		signedOut.POST("/users", people.Register),
		signedOut.POST("/login", people.Login),
		signedIn.POST("/logout", people.Logout),
		signedIn.GET("/me", people.Me),
		signedIn.GET("/values/:key", h.value),
		signedIn.PUT("/values/:key", h.putValue),
		signedIn.DELETE("/values/:key", h.removeValue),
		signedIn.POST("/values/:key/append", h.appendValue),
		signedIn.POST("/values/:key/touch", h.touchValue),
		signedIn.GET("/counters/:key", h.counter),
		signedIn.PUT("/counters/:key", h.createCounter),
		signedIn.POST("/counters/:key", h.count),
		signedIn.POST("/multi", h.writeMany),
		signedIn.GET("/multi", h.readMany),
		signedIn.GET("/folders", h.folders),
		signedIn.POST("/folders", h.createFolder),
		signedIn.GET("/folders/:folder", h.folder),
		signedIn.PUT("/folders/:folder", h.renameFolder),
		signedIn.DELETE("/folders/:folder", h.removeFolder),
		signedIn.GET("/folders/:folder/documents", h.documents),
		signedIn.POST("/folders/:folder/documents", h.createDocument),
		signedIn.GET("/folders/:folder/documents/:document", h.document),
		signedIn.DELETE("/folders/:folder/documents/:document", h.removeDocument),
		s.POST("/codes/:address", codes, h.sendCode),
	} {
		route.UsesDriver()
	}

	app.Base(map[string]any{"routes": "users, login, logout, me, values, counters, multi, folders, documents, codes"})
	app.Sockets("/ws")
	app.Events("/events")
	app.Run()
}

func open(app *common.App, name, address string, options ...memcached.Option) *memcached.Client {
	client, err := memcached.NewClient(address, options...)
	if err != nil {
		common.Fail(1, "memcached: %v", err)
	}
	app.Vars.Func("drv_"+name, func() any {
		stats := client.PoolStats()
		return map[string]int{"open": stats.Open, "idle": stats.Idle, "in_use": stats.InUse}
	})
	return client
}
