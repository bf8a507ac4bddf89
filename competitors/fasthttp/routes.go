package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

var (
	userID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	kvKey  = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)
)

type item struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Price int    `json:"price"`
	Stock int    `json:"stock"`
}

func oneKilobyte() any {
	items := make([]item, 21)
	for i := range items {
		id := i + 1
		items[i] = item{ID: id, Name: fmt.Sprintf("Item %02d", id), Price: 100 + id, Stock: id % 10}
	}
	return map[string]any{"items": items}
}

func routes(store *store, feed *feed, sockets *sockets, stats *stats) fasthttp.RequestHandler {
	mux := router.New()
	mux.RedirectTrailingSlash = false
	mux.RedirectFixedPath = false
	mux.NotFound = func(ctx *fasthttp.RequestCtx) { writeError(ctx, fasthttp.StatusNotFound, "not found") }
	mux.PanicHandler = func(ctx *fasthttp.RequestCtx, reason any) {
		stats.panics.Add(1)
		fmt.Fprintf(os.Stderr, "panic: %v\n%s", reason, debug.Stack())
		writeError(ctx, fasthttp.StatusInternalServerError, "internal error")
	}

	// The router does not derive HEAD from GET.
	get := func(path string, handler fasthttp.RequestHandler) {
		mux.GET(path, handler)
		mux.HEAD(path, handler)
	}
	get("/", func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("text/plain; charset=utf-8")
		ctx.SetBodyString("Hello, World!")
	})
	get("/json", func(ctx *fasthttp.RequestCtx) {
		writeJSON(ctx, fasthttp.StatusOK, map[string]string{"message": "Hello, World!"})
	})
	get("/json-1k", func(ctx *fasthttp.RequestCtx) { writeJSON(ctx, fasthttp.StatusOK, oneKilobyte()) })
	get("/healthz", func(ctx *fasthttp.RequestCtx) {
		writeJSON(ctx, fasthttp.StatusOK, map[string]string{"status": "ok"})
	})
	get("/users/{id}", user)
	mux.POST("/upload", upload)
	mux.ANY("/echo", echo)
	get("/kv/{key}", store.get)
	mux.PUT("/kv/{key}", store.put)
	mux.DELETE("/kv/{key}", store.delete)
	get("/events", feed.serve)
	mux.GET("/ws", sockets.serve)
	return mux.Handler
}

func user(ctx *fasthttp.RequestCtx) {
	id := ctx.UserValue("id").(string)
	if !userID.MatchString(id) {
		writeError(ctx, fasthttp.StatusBadRequest, "bad id")
		return
	}
	writeJSON(ctx, fasthttp.StatusOK, struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}{id, "User " + id})
}

func upload(ctx *fasthttp.RequestCtx) {
	body := ctx.PostBody()
	sum := sha256.Sum256(body)
	writeJSON(ctx, fasthttp.StatusOK, struct {
		Bytes  int    `json:"bytes"`
		SHA256 string `json:"sha256"`
	}{len(body), hex.EncodeToString(sum[:])})
}

func echo(ctx *fasthttp.RequestCtx) {
	headers := [][2]string{}
	for name, value := range ctx.Request.Header.All() {
		headers = append(headers, [2]string{string(name), string(value)})
	}
	writeJSON(ctx, fasthttp.StatusOK, struct {
		Method  string      `json:"method"`
		Target  string      `json:"target"`
		Headers [][2]string `json:"headers"`
		Body    []byte      `json:"body"`
	}{string(ctx.Method()), string(ctx.Request.Header.RequestURI()), headers, append([]byte{}, ctx.PostBody()...)})
}

func writeJSON(ctx *fasthttp.RequestCtx, status int, value any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	body.Truncate(body.Len() - 1) // the encoder's newline
	ctx.SetContentType("application/json")
	ctx.SetStatusCode(status)
	ctx.SetBody(body.Bytes())
}

func writeError(ctx *fasthttp.RequestCtx, status int, message string) {
	writeJSON(ctx, status, map[string]string{"error": message})
}

// badRequest answers what fasthttp cannot parse; fasthttp closes the connection after it.
func badRequest(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		writeError(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge, "header section too large")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		writeError(ctx, fasthttp.StatusRequestEntityTooLarge, "body too large")
	default:
		writeError(ctx, fasthttp.StatusBadRequest, "bad request")
	}
}
