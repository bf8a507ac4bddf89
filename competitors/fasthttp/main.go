// Command fasthttp serves the plain contract on valyala/fasthttp: HTTP/1.1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	maxBody         = 8 << 20
	maxMessage      = 16 << 20
	maxValue        = 64 << 10
	shutdownTimeout = 4500 * time.Millisecond
)

func main() {
	bind := flag.String("bind", "127.0.0.1:8080", "`HOST:PORT` to listen on; port 0 takes a free one")
	engine := flag.String("engine", "fasthttp", "engine name; only fasthttp")
	flag.Parse()
	if *engine != "fasthttp" || flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "fasthttp: unknown engine %q or extra arguments %q; the engine is fasthttp\n", *engine, flag.Args())
		os.Exit(2)
	}
	if err := run(*bind); err != nil {
		fmt.Fprintln(os.Stderr, "fasthttp:", err)
		os.Exit(1)
	}
}

func run(bind string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	// Closed when the server stops; ends event streams and WebSockets, which Shutdown does not do.
	stopping, beginStop := context.WithCancel(context.Background())
	defer beginStop()

	stats := newStats()
	feed := newFeed(stopping)
	sockets := newSockets(stopping, stats)

	server := &fasthttp.Server{
		Handler:            stats.count(routes(newStore(stopping), feed, sockets, stats)),
		Name:               "fasthttp",
		ReadBufferSize:     16 << 10, // also the bound of the header section
		MaxRequestBodySize: maxBody,
		ReadTimeout:        30 * time.Second,
		WriteTimeout:       30 * time.Second,
		IdleTimeout:        20 * time.Second,
		TCPKeepalive:       true,
		CloseOnShutdown:    true,
		ConnState:          stats.connState,
		Logger:             log.New(os.Stderr, "", log.LstdFlags),
		ErrorHandler:       badRequest,
	}

	listener, err := net.Listen("tcp", bind)
	if err != nil {
		return err
	}
	debug, err := serveDebug(stats, feed)
	if err != nil {
		return err
	}
	defer debug.Close()
	fmt.Printf("debug addr=%s\n", debug.addr)
	fmt.Printf("ready addr=%s\n", listener.Addr())

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	beginStop()
	limit, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err = server.ShutdownWithContext(limit)
	sockets.wait(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // what is left ends with the process
	}
	return err
}
