package common

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/goceleris/celeris"
)

var engines = map[string]celeris.EngineType{
	"iouring":  celeris.IOUring,
	"epoll":    celeris.Epoll,
	"std":      celeris.Std,
	"adaptive": celeris.Adaptive,
}

// App is one refapp: its flags, its server and what it publishes.
type App struct {
	// Name is the slug of the refapp.
	Name string
	// Engine is the engine as named on the command line.
	Engine string
	Server *celeris.Server
	Vars   *Vars

	accepted, closed atomic.Int64
	mu               sync.Mutex
	onSignal, onStop []func()
}

// New reads the flags (-bind, -engine, -workers) and builds the server. Bad
// flags end the process with status 2. predicates are the I-* ids that the
// app's counters feed; tune may change the configuration before the server is
// built.
func New(name string, predicates []string, tune func(*celeris.Config)) *App {
	bind := flag.String("bind", "127.0.0.1:0", "address to listen on, `host:port`; port 0 picks a free one")
	engine := flag.String("engine", "epoll", "iouring, epoll, std or adaptive")
	workers := flag.Int("workers", 0, "event loops; 0 leaves it to the engine")
	flag.Parse()
	kind, known := engines[*engine]
	if !known {
		Fail(2, "-engine %q is unknown; allowed: iouring, epoll, std, adaptive", *engine)
	}
	if _, _, err := net.SplitHostPort(*bind); err != nil {
		Fail(2, "-bind %q is not host:port: %v", *bind, err)
	}
	app := &App{Name: name, Engine: *engine}
	config := celeris.Config{
		Addr:            *bind,
		Engine:          kind,
		Protocol:        celeris.HTTP1,
		Workers:         *workers,
		ShutdownTimeout: 5 * time.Second,
		// Nothing logs per request; warnings say what the engine could not do here.
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		OnConnect:    func(string) { app.accepted.Add(1) },
		OnDisconnect: func(string) { app.closed.Add(1) },
	}
	if tune != nil {
		tune(&config)
	}
	app.Server = celeris.New(config)
	app.Vars = newVars(app, predicates)
	return app
}

// Backend returns the value of the environment variable that names a backend.
// Without it the process ends with status 2 and says what is missing.
func Backend(variable, example string) string {
	value := strings.TrimSpace(os.Getenv(variable))
	if value == "" {
		Fail(2, "%s is not set; it names the backend of this refapp, for example %s=%s", variable, variable, example)
	}
	return value
}

// Fail prints a line on stderr and ends the process.
func Fail(code int, format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(code)
}

// OnSignal registers a function to run when the process is told to stop, while
// the server still serves: what streams without end says goodbye here.
func (a *App) OnSignal(fn func()) {
	a.mu.Lock()
	a.onSignal = append(a.onSignal, fn)
	a.mu.Unlock()
}

// OnStop registers a function to run once the server has stopped serving, newest first.
func (a *App) OnStop(fn func()) {
	a.mu.Lock()
	a.onStop = append(a.onStop, fn)
	a.mu.Unlock()
}

// Run serves until SIGTERM or SIGINT and returns after a graceful stop. It
// prints `debug addr=` for the side listener and `ready addr=` once the server
// listens. A server that cannot start ends the process with status 1.
func (a *App) Run() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	side, err := serveDebug()
	if err != nil {
		Fail(1, "side listener: %v", err)
	}
	defer func() { _ = side.Close() }()
	done := make(chan error, 1)
	go func() { done <- a.Server.StartWithContext(ctx) }()
	if err := a.announce(ctx, os.Stdout, side.Addr(), done); err != nil {
		Fail(1, "%s on engine %s: %v", a.Name, a.Engine, err)
	}
	select {
	case err = <-done:
	case <-ctx.Done():
		for _, fn := range a.hooks(&a.onSignal) {
			fn()
		}
		err = <-done
	}
	for _, fn := range slices.Backward(a.hooks(&a.onStop)) {
		fn()
	}
	if err != nil {
		Fail(1, "%s on engine %s: %v", a.Name, a.Engine, err)
	}
}

func (a *App) hooks(of *[]func()) []func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	return *of
}

// announce waits until the server has an address. A nil error with an ended
// server means that it was stopped before it was ready.
func (a *App) announce(ctx context.Context, out io.Writer, side net.Addr, done chan error) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if addr, ok := a.Server.Addr().(*net.TCPAddr); ok && addr != nil && addr.Port != 0 {
			_, err := fmt.Fprintf(out, "debug addr=%s\nready addr=%s\n", side, addr)
			return err
		}
		select {
		case err := <-done:
			done <- err
			if err == nil && ctx.Err() == nil {
				return fmt.Errorf("the server ended before it listened")
			}
			return err
		case <-tick.C:
		}
	}
}

// CelerisVersion is the version of the celeris module in this binary. A local
// replacement shows as "v1.5.8 (local)".
func CelerisVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path != "github.com/goceleris/celeris" {
			continue
		}
		switch {
		case dep.Replace == nil:
			return dep.Version
		case dep.Replace.Version == "":
			return dep.Version + " (local)"
		default:
			return dep.Replace.Version
		}
	}
	return "unknown"
}
