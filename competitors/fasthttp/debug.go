package main

import (
	"expvar"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

type stats struct {
	requests, panics          atomic.Int64
	accepted, closed          atomic.Int64
	webSockets                atomic.Int64
	hijacked, hijackedAndOver atomic.Int64

	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func newStats() *stats {
	return &stats{open: make(map[net.Conn]struct{})}
}

func (s *stats) connState(conn net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		s.accepted.Add(1)
		s.mu.Lock()
		s.open[conn] = struct{}{}
		s.mu.Unlock()
	case fasthttp.StateHijacked:
		s.hijacked.Add(1)
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	case fasthttp.StateClosed:
		s.closed.Add(1)
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	}
}

// released records the end of a connection that was taken over from fasthttp.
func (s *stats) released() {
	s.hijackedAndOver.Add(1)
	s.closed.Add(1)
}

func (s *stats) active() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.open)) + s.hijacked.Load() - s.hijackedAndOver.Load()
}

func (s *stats) count(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		s.requests.Add(1)
		next(ctx)
	}
}

type debugListener struct {
	*http.Server
	addr net.Addr
}

// serveDebug opens the side listener: expvar and pprof on loopback.
func serveDebug(s *stats, feed *feed) (*debugListener, error) {
	publish := func(name string, value func() any) { expvar.Publish(name, expvar.Func(value)) }
	publish("goroutines", func() any { return runtime.NumGoroutine() })
	publish("connections_accepted_total", func() any { return s.accepted.Load() })
	publish("connections_closed_total", func() any { return s.closed.Load() })
	publish("connections_active", func() any { return s.active() })
	publish("requests_total", func() any { return s.requests.Load() })
	publish("panic_count", func() any { return s.panics.Load() })
	publish("sse_subscribers", func() any { return feed.subscribers.Load() })
	publish("ws_connections", func() any { return s.webSockets.Load() })
	publish("probatorium", func() any {
		return map[string]any{"predicates": []string{"I-CONN-2", "I-MEM-1", "I-MEM-2", "I-MEM-3", "I-PANIC"}}
	})

	mux := http.NewServeMux()
	mux.Handle("GET /debug/vars", expvar.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	return &debugListener{server, listener.Addr()}, nil
}
