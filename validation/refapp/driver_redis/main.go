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
	ratestore "github.com/goceleris/celeris/middleware/ratelimit/redisstore"
	sessionstore "github.com/goceleris/celeris/middleware/session/redisstore"

	"probatorium/refapp/common"
)

const (
	poolSize = 24
	// The second client only reads back what the first one wrote; it speaks RESP2, the first RESP3.
	mirrorSize = 8
	startLimit = 10 * time.Second
)

func main() {
	app := common.New("driver_redis", []string{"I-DRV", "I-PANIC"}, nil)
	s := app.Server
	s.Use(app.Recovery())
	address, login := readAddress(common.Backend("PROBATORIUM_REDIS", "127.0.0.1:6379"))
	space := app.Namespace() + ":"
	h := &handlers{readBack: app.ReadBack(), refuse: app.Refuser("Redis")}

	// The driver looks at the routes when a client is opened with the engine: one that uses it must be there already.
	s.GET("/backend", common.Timed, h.backend).UsesDriver()
	client := open(app, "pool", address, append(login, redis.WithEngine(s), redis.WithPoolSize(poolSize), redis.WithProto(3)))
	mirror := open(app, "mirror", address, append(login, redis.WithPoolSize(mirrorSize), redis.WithProto(2)))
	h.store = &store{client: client, mirror: mirror, Space: common.Space(space)}

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
		KeyPrefix: space + "rate:", RPS: common.CodesPerSecond, Burst: common.CodesPerAddress,
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

	signedIn := people.Mount(s, sessions)
	timed := signedIn.Group("", common.Timed)
	locked := signedIn.Group("", h.readBack.Locked, common.Timed)
	key, player := common.WellNamed("key"), common.WellNamed("player")
	for _, route := range []*celeris.Route{
		timed.GET("/values/:key", key, h.value),
		locked.PUT("/values/:key", key, h.putValue),
		locked.DELETE("/values/:key", key, h.removeValue),
		locked.POST("/values/:key/take", key, h.takeValue),
		timed.GET("/counters/:key", key, h.counter),
		locked.POST("/counters/:key", key, h.count),
		locked.POST("/multi", h.writeMany),
		timed.GET("/multi", h.readMany),
		timed.GET("/boards", h.boards),
		locked.POST("/boards", h.createBoard),
		timed.GET("/boards/:board", h.board),
		locked.PUT("/boards/:board", h.renameBoard),
		locked.DELETE("/boards/:board", h.removeBoard),
		timed.GET("/boards/:board/scores", h.scores),
		locked.PUT("/boards/:board/scores/:player", player, h.join),
		timed.GET("/boards/:board/scores/:player", player, h.score),
		locked.DELETE("/boards/:board/scores/:player", player, h.leave),
		locked.POST("/boards/:board/moves", h.move),
		timed.GET("/boards/:board/totals", h.totals),
		locked.POST("/queues/:key", key, h.push),
		locked.POST("/queues/:key/pop", key, h.pop),
		timed.POST("/messages", h.publish),
	} {
		route.UsesDriver()
	}
	s.GET("/feed", feed.handler())

	app.Codes(limits)
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
