package common

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/recovery"
)

// DesignedPanic is the value of a panic that belongs to the app's contract.
type DesignedPanic string

// unexpectedShown bounds what unexpected panics may print.
const unexpectedShown = 5

// Recovery is celeris's recovery middleware, counting every panic in
// panic_count and those of type DesignedPanic in designed_panics too. The first
// few others go to stderr with their stack.
func (a *App) Recovery() celeris.HandlerFunc {
	designed := a.Vars.Counter("designed_panics")
	panics := a.Vars.panics
	return recovery.New(recovery.Config{
		Logger:          slog.New(slog.NewTextHandler(io.Discard, nil)),
		DisableLogStack: true,
		ErrorHandler: func(c *celeris.Context, raised any) error {
			panics.Add(1)
			if _, ok := raised.(DesignedPanic); ok {
				designed.Add(1)
			} else if shown := panics.Value() - designed.Value(); shown <= unexpectedShown {
				fmt.Fprintf(os.Stderr, "panic in a handler of %s: %v\n%s\n", a.Name, raised, debug.Stack())
			}
			return c.JSON(500, Problem{Error: "internal", Detail: "the handler panicked"})
		},
	})
}
