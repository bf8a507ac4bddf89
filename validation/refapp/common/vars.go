package common

import (
	"expvar"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
	"time"
)

// Vars is what the app publishes at /debug/vars under "probatorium", beside
// "celeris" (engine counters), "panic_count", "goroutines" and the standard
// "memstats" and "cmdline".
type Vars struct {
	fields *expvar.Map
	panics *expvar.Int
	mu     sync.Mutex
}

func newVars(app *App, predicates []string) *Vars {
	v := &Vars{fields: new(expvar.Map), panics: new(expvar.Int)}
	v.fields.Set("predicates", expvar.Func(func() any { return predicates }))
	expvar.Publish("probatorium", v.fields)
	expvar.Publish("panic_count", v.panics)
	expvar.Publish("goroutines", expvar.Func(func() any { return runtime.NumGoroutine() }))
	expvar.Publish("refapp", expvar.Func(func() any {
		return map[string]any{"name": app.Name, "engine": app.Engine, "celeris": CelerisVersion(), "go": runtime.Version()}
	}))
	expvar.Publish("celeris", expvar.Func(app.engineVars))
	publishValidation(v.fields)
	return v
}

// Counter publishes a counter under "probatorium" and returns it; the same name gives the same counter.
func (v *Vars) Counter(name string) *expvar.Int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if known, ok := v.fields.Get(name).(*expvar.Int); ok {
		return known
	}
	counter := new(expvar.Int)
	v.fields.Set(name, counter)
	return counter
}

// Func publishes a value that is computed when it is read.
func (v *Vars) Func(name string, fn func() any) { v.fields.Set(name, expvar.Func(fn)) }

// engineVars are the engine's counters. An engine that does not keep one
// leaves it at 0 (celeris: std and adaptive keep neither accepts nor bytes), so
// accepted_conn_total and closed_conn_total are the connection hooks' counts,
// which every engine calls.
func (a *App) engineVars() any {
	vars := map[string]any{
		"accepted_conn_total": a.accepted.Load(),
		"closed_conn_total":   a.closed.Load(),
	}
	info := a.Server.EngineInfo()
	if info == nil {
		return vars
	}
	vars["engine"] = info.Type.String()
	// By celeris's own names: which counters there are depends on its version.
	vars["metrics"] = info.Metrics
	return vars
}

type sideListener struct {
	listener net.Listener
	server   *http.Server
}

func (s *sideListener) Addr() net.Addr { return s.listener.Addr() }
func (s *sideListener) Close() error   { return s.server.Close() }

// serveDebug opens the side listener: plain net/http, so that it stays reachable when the engine is wedged.
func serveDebug() (*sideListener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/vars", expvar.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return &sideListener{listener: listener, server: server}, nil
}
