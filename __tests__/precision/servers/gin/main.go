// Command gin serves with gin and gorilla/websocket, both with their defaults: HTTP/1.1.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"
)

const (
	interval = 200 * time.Millisecond
	maxBody  = 8 << 20
)

var begun = time.Now()

func main() {
	bind := flag.String("bind", "127.0.0.1:0", "`HOST:PORT` to listen on")
	flag.Parse()
	if err := run(*bind); err != nil {
		fmt.Fprintln(os.Stderr, "gin:", err)
		os.Exit(1)
	}
}

func run(bind string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	listener, err := net.Listen("tcp", bind)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes()}
	fmt.Printf("ready addr=%s\n", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

func routes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.Recovery())
	engine.HandleMethodNotAllowed = true
	hello := func(c *gin.Context) { c.String(http.StatusOK, "Hello, World!") }
	for _, path := range []string{"/", "/healthz"} {
		engine.GET(path, hello)
		engine.HEAD(path, hello)
	}
	engine.GET("/events", events)
	engine.HEAD("/events", events)
	engine.Any("/echo", echo)
	engine.GET("/ws", sockets)
	return engine
}

func echo(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	if err != nil {
		c.String(http.StatusBadRequest, "broken body")
		return
	}
	// net/http keeps fields in a map and Host apart: the order on the wire is not known here.
	headers := [][2]string{{"Host", c.Request.Host}}
	names := make([]string, 0, len(c.Request.Header))
	for name := range c.Request.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range c.Request.Header[name] {
			headers = append(headers, [2]string{name, value})
		}
	}
	c.JSON(http.StatusOK, gin.H{
		"method":  c.Request.Method,
		"target":  c.Request.RequestURI,
		"headers": headers,
		"body":    body,
	})
}

// events are numbered, five a second; the text follows from the number, and the number from the time.
func events(c *gin.Context) {
	now := func() int { return int(time.Since(begun) / interval) }
	sent := now()
	if id, err := strconv.Atoi(c.GetHeader("Last-Event-ID")); err == nil && id >= 0 && id <= sent {
		sent = id
	}
	c.Header("Content-Type", "text/event-stream")
	c.Header("Cache-Control", "no-store")
	c.Status(http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return
	}
	io.WriteString(c.Writer, "retry: 1000\n\n")
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		for ; sent < now(); sent++ {
			if _, err := fmt.Fprintf(c.Writer, "id: %d\nevent: tick\ndata: {\"id\":%d}\n\n", sent+1, sent+1); err != nil {
				return
			}
		}
		c.Writer.Flush()
		select {
		case <-c.Request.Context().Done():
			return
		case <-ticker.C:
		}
	}
}

var upgrader websocket.Upgrader

func sockets(c *gin.Context) {
	conn, err := upgrader.Upgrade(c.Writer, c.Request, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer conn.Close()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(kind, message); err != nil {
			return
		}
	}
}
