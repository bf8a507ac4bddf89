// Command driver_memcached keeps its data in memcached through celeris's own
// driver: users, values with compare-and-swap and time to live, counters, many
// values at once, folders of documents, sessions and a rate limit.
package main

import (
	"context"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/driver/memcached"
	ratestore "github.com/goceleris/celeris/middleware/ratelimit/memcachedstore"
	sessionstore "github.com/goceleris/celeris/middleware/session/memcachedstore"

	"probatorium/refapp/common"
)

const (
	poolSize = 24
	// The second client only reads back what the first one wrote; it speaks the binary protocol, the first text.
	mirrorSize = 8
	startLimit = 10 * time.Second
)

func main() {
	app := common.New("driver_memcached", []string{"I-DRV", "I-PANIC"}, nil)
	s := app.Server
	s.Use(app.Recovery())
	address := common.Backend("PROBATORIUM_MEMCACHED", "127.0.0.1:11211")
	space := app.Namespace() + ":"
	h := &handlers{readBack: app.ReadBack(), refuse: app.Refuser("memcached")}

	// The driver looks at the routes when a client is opened with the engine: one that uses it must be there already.
	s.GET("/backend", common.Timed, h.backend).UsesDriver()
	client := open(app, "pool", address, memcached.WithEngine(s), memcached.WithMaxOpen(poolSize))
	mirror := open(app, "mirror", address, memcached.WithProtocol(memcached.ProtocolBinary), memcached.WithMaxOpen(mirrorSize))
	h.store = &store{client: client, mirror: mirror, Space: common.Space(space)}

	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		common.Fail(1, "memcached: %v", err)
	}
	limits, err := ratestore.New(client, ratestore.Options{
		KeyPrefix: space + "rate:", RPS: common.CodesPerSecond, Burst: common.CodesPerAddress,
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

	signedIn := people.Mount(s, sessions)
	timed := signedIn.Group("", common.Timed)
	locked := signedIn.Group("", h.readBack.Locked, common.Timed)
	key, folder, document := common.WellNamed("key"), common.WellNamed("folder"), common.WellNamed("document")
	for _, route := range []*celeris.Route{
		timed.GET("/values/:key", key, h.value),
		locked.PUT("/values/:key", key, h.putValue),
		locked.DELETE("/values/:key", key, h.removeValue),
		locked.POST("/values/:key/append", key, h.appendValue),
		timed.POST("/values/:key/touch", key, h.touchValue),
		timed.GET("/counters/:key", key, h.counter),
		timed.PUT("/counters/:key", key, h.createCounter),
		locked.POST("/counters/:key", key, h.count),
		locked.POST("/multi", h.writeMany),
		timed.GET("/multi", h.readMany),
		timed.GET("/folders", h.folders),
		locked.POST("/folders", h.createFolder),
		timed.GET("/folders/:folder", folder, h.folder),
		locked.PUT("/folders/:folder", folder, h.renameFolder),
		locked.DELETE("/folders/:folder", folder, h.removeFolder),
		timed.GET("/folders/:folder/documents", folder, h.documents),
		locked.POST("/folders/:folder/documents", folder, h.createDocument),
		timed.GET("/folders/:folder/documents/:document", folder, document, h.document),
		locked.DELETE("/folders/:folder/documents/:document", folder, document, h.removeDocument),
	} {
		route.UsesDriver()
	}

	app.Codes(limits)
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
