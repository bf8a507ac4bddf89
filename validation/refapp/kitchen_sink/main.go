// Command kitchen_sink serves a little of everything that celeris's middleware
// does, on one port that speaks HTTP/1.1, HTTP/2 in clear and the upgrade to it.
package main

import (
	"embed"
	"io/fs"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/basicauth"
	"github.com/goceleris/celeris/middleware/bodylimit"
	"github.com/goceleris/celeris/middleware/cache"
	"github.com/goceleris/celeris/middleware/circuitbreaker"
	"github.com/goceleris/celeris/middleware/compress"
	"github.com/goceleris/celeris/middleware/cors"
	"github.com/goceleris/celeris/middleware/etag"
	"github.com/goceleris/celeris/middleware/idempotency"
	"github.com/goceleris/celeris/middleware/keyauth"
	"github.com/goceleris/celeris/middleware/methodoverride"
	"github.com/goceleris/celeris/middleware/requestid"
	"github.com/goceleris/celeris/middleware/secure"
	"github.com/goceleris/celeris/middleware/singleflight"
	"github.com/goceleris/celeris/middleware/static"
	"github.com/goceleris/celeris/middleware/store"
	"github.com/goceleris/celeris/middleware/timeout"

	"probatorium/refapp/common"
)

const (
	cacheTime   = time.Minute
	payableTime = time.Minute
	bodyLimit   = 8 << 10
	slowLimit   = 100 * time.Millisecond
	friend      = "https://friend.example"
	apiKey      = "key-of-the-kitchen"
)

//go:embed public
var public embed.FS

func main() {
	app := common.New("kitchen_sink", []string{"I-PANIC"}, func(config *celeris.Config) {
		upgrade := true
		config.Protocol, config.EnableH2Upgrade = celeris.Auto, &upgrade
	})
	s := app.Server
	s.Pre(methodoverride.New())
	s.Use(app.Recovery())
	s.Use(requestid.New())
	s.Use(secure.New())
	s.Use(cors.New(cors.Config{
		AllowOrigins: []string{friend}, AllowCredentials: true, MaxAge: 600,
		AllowMethods: []string{"GET", "POST", "PUT", "PATCH", "DELETE"}, ExposeHeaders: []string{"ETag"},
	}))
	files, err := fs.Sub(public, "public")
	if err != nil {
		common.Fail(1, "embedded files: %v", err)
	}
	s.Use(static.New(static.Config{FS: files, Prefix: "/static", MaxAge: time.Hour}))

	h := newHandlers(app)
	tagged := s.Group("/notes", etag.New(etag.Config{Strong: true}))
	tagged.POST("", h.createNote)
	tagged.GET("/:id", h.note)
	tagged.HEAD("/:id", h.note)
	tagged.PUT("/:id", h.replaceNote)
	tagged.PATCH("/:id", h.patchNote)
	tagged.DELETE("/:id", h.removeNote)

	s.GET("/listing/:word", compress.New(compress.Config{
		MinLength: 256, Encodings: []string{"zstd", "br", "gzip", "deflate"},
	}), listing)
	s.GET("/cached/:key", cache.New(cache.Config{Store: store.NewMemoryKV(), TTL: cacheTime, Singleflight: true}), h.cached)
	s.POST("/payments", idempotency.New(idempotency.Config{TTL: payableTime, BodyHash: true}), h.pay)
	s.POST("/limited", bodylimit.New(bodylimit.Config{MaxBytes: bodyLimit}), common.UploadHandler)
	// Handlers that wait stay off the event loop.
	s.GET("/slow/:ms", timeout.New(timeout.Config{Timeout: slowLimit}), slow).Async()
	s.GET("/flight/:key", singleflight.New(singleflight.Config{KeyFunc: flightKey}), h.flight).Async()
	breaker := circuitbreaker.New(circuitbreaker.Config{
		Threshold: 0.5, MinRequests: 10, WindowSize: time.Second, CooldownPeriod: 200 * time.Millisecond, HalfOpenMax: 2,
	})
	s.GET("/flaky/:outcome", breaker, flaky)
	s.GET("/basic", basicauth.New(basicauth.Config{Users: map[string]string{"cook": "s3cret"}, Realm: "kitchen"}), secret)
	s.GET("/keyed", keyauth.New(keyauth.Config{Validator: keyauth.StaticKeys(apiKey)}), secret)

	s.GET("/panic", raise)
	s.GET("/stream/:word", stream)
	s.GET("/reader/:word", reader)
	s.GET("/params/:first/:second/*rest", params)
	s.GET("/query", query)
	s.POST("/form", form)
	s.GET("/redirect/:word", redirect)
	s.GET("/requestid", requestID)
	s.GET("/cookies", readCookies)
	s.PUT("/cookies/:value", setCookie)
	s.DELETE("/cookies", dropCookie)
	s.GET("/bytes/:count", manyBytes)

	app.Base(map[string]any{"protocols": "HTTP/1.1, HTTP/2 by prior knowledge and by upgrade"})
	app.Sockets("/ws")
	app.Events("/events")
	app.Run()
}
