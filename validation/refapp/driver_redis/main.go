// Command driver_redis keeps its data in Redis through celeris's own driver:
// users, values with versions, counters, pipelines, boards with scores moved by
// scripts, queues, a feed by publish and subscribe, sessions and a rate limit.
package main

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/driver/redis"
	"github.com/goceleris/celeris/middleware/ratelimit"
	ratestore "github.com/goceleris/celeris/middleware/ratelimit/redisstore"
	"github.com/goceleris/celeris/middleware/session"
	sessionstore "github.com/goceleris/celeris/middleware/session/redisstore"

	"probatorium/refapp/common"
)

const (
	poolSize = 24
	// The second client only reads back what the first one wrote; it speaks RESP2, the first RESP3.
	mirrorSize  = 8
	sessionIdle = 30 * time.Minute
	startLimit  = 10 * time.Second
	// codesPerAddress are sent at once; another one only after codeRefill.
	codesPerAddress = 3
	codeRefill      = 30 * time.Second
)

func main() {
	app := common.New("driver_redis", []string{"I-DRV", "I-PANIC"}, nil)
	s := app.Server
	s.Use(app.Recovery())
	address, login := readAddress(common.Backend("PROBATORIUM_REDIS", "127.0.0.1:6379"))
	space := app.Namespace() + ":"
	h := &handlers{readBack: app.ReadBack(), failures: app.Vars.Counter("backend_errors")}

	// The driver looks at the routes when a client is opened with the engine: one that uses it must be there already.
	s.GET("/backend", h.backend).UsesDriver()
	client := open(app, "pool", address, append(login, redis.WithEngine(s), redis.WithPoolSize(poolSize), redis.WithProto(3)))
	mirror := open(app, "mirror", address, append(login, redis.WithPoolSize(mirrorSize), redis.WithProto(2)))
	h.store = &store{client: client, mirror: mirror, space: space}

	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		common.Fail(1, "Redis: %v", err)
	}
	feed, err := openFeed(ctx, app, client, space+"feed")
	if err != nil {
		common.Fail(1, "Redis: %v", err)
	}
	h.feed = feed
	limits, err := ratestore.New(ctx, client, ratestore.Options{
		KeyPrefix: space + "rate:", RPS: 1 / codeRefill.Seconds(), Burst: codesPerAddress,
	})
	if err != nil {
		common.Fail(1, "Redis: %v", err)
	}
	sessions := sessionstore.New(client, sessionstore.Options{KeyPrefix: space + "session:"})
	people := &common.People{Store: h.store, Refuse: h.refuse}
	app.OnStop(func() {
		feed.close()
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
		signedIn.POST("/values/:key/take", h.takeValue),
		signedIn.GET("/counters/:key", h.counter),
		signedIn.POST("/counters/:key", h.count),
		signedIn.POST("/multi", h.writeMany),
		signedIn.GET("/multi", h.readMany),
		signedIn.GET("/boards", h.boards),
		signedIn.POST("/boards", h.createBoard),
		signedIn.GET("/boards/:board", h.board),
		signedIn.PUT("/boards/:board", h.renameBoard),
		signedIn.DELETE("/boards/:board", h.removeBoard),
		signedIn.GET("/boards/:board/scores", h.scores),
		signedIn.PUT("/boards/:board/scores/:player", h.join),
		signedIn.GET("/boards/:board/scores/:player", h.score),
		signedIn.DELETE("/boards/:board/scores/:player", h.leave),
		signedIn.POST("/boards/:board/moves", h.move),
		signedIn.GET("/boards/:board/totals", h.totals),
		signedIn.POST("/queues/:key", h.push),
		signedIn.POST("/queues/:key/pop", h.pop),
		signedIn.POST("/messages", h.publish),
		s.POST("/codes/:address", codes, h.sendCode),
	} {
		route.UsesDriver()
	}
	s.GET("/feed", feed.handler())

	app.Base(map[string]any{"routes": "users, login, logout, me, values, counters, multi, boards, queues, messages, feed, codes"})
	app.Sockets("/ws")
	app.Events("/events")
	app.Run()
}

// readAddress takes HOST:PORT or redis://[USER:PASSWORD@]HOST:PORT[/NUMBER].
func readAddress(text string) (string, []redis.Option) {
	if !strings.Contains(text, "://") {
		return text, nil
	}
	where, err := url.Parse(text)
	if err != nil || where.Scheme != "redis" || where.Host == "" {
		// The text may hold a password: it is not repeated.
		common.Fail(2, "PROBATORIUM_REDIS is neither HOST:PORT nor a redis:// URL")
	}
	var options []redis.Option
	if name := where.User.Username(); name != "" {
		options = append(options, redis.WithUsername(name))
	}
	if password, ok := where.User.Password(); ok {
		options = append(options, redis.WithPassword(password))
	}
	if number, err := strconv.Atoi(strings.Trim(where.Path, "/")); err == nil {
		options = append(options, redis.WithDB(number))
	}
	return where.Host, options
}

func open(app *common.App, name, address string, options []redis.Option) *redis.Client {
	client, err := redis.NewClient(address, options...)
	if err != nil {
		common.Fail(1, "Redis: %v", err)
	}
	app.Vars.Func("drv_"+name, func() any {
		stats := client.Stats()
		return map[string]int{"open": stats.Open, "idle": stats.Idle, "in_use": stats.InUse}
	})
	return client
}
