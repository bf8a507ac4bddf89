// Command nethttp serves the plain contract on Go's net/http: HTTP/1.1 and HTTP/2 in the clear on one port.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	maxBody         = 8 << 20
	maxMessage      = 16 << 20
	maxValue        = 64 << 10
	shutdownTimeout = 4500 * time.Millisecond
)

func main() {
	bind := flag.String("bind", "127.0.0.1:8080", "`HOST:PORT` to listen on; port 0 takes a free one")
	engine := flag.String("engine", "nethttp", "engine name; only nethttp")
	flag.Parse()
	if *engine != "nethttp" || flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "nethttp: unknown engine %q or extra arguments %q; the engine is nethttp\n", *engine, flag.Args())
		os.Exit(2)
	}
	if err := run(*bind); err != nil {
		fmt.Fprintln(os.Stderr, "nethttp:", err)
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

	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           stats.recover(routes(newStore(stopping), feed, sockets)),
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 128},
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       20 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ConnState:         stats.connState,
		ErrorLog:          log.New(os.Stderr, "", log.LstdFlags),
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
	stats.closeSilent()
	limit, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(limit)
	sockets.wait(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}
