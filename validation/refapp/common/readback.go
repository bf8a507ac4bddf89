package common

import (
	"context"
	"errors"
	"expvar"
	"hash/maphash"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/goceleris/celeris"
)

// ReadBack counts how often a driver app found again what it had just written,
// asking over another connection. It publishes drv_reads, drv_read_hits,
// drv_read_misses (I-DRV) and drv_read_errors.
type ReadBack struct {
	reads, hits, misses, errors *expvar.Int
	seed                        maphash.Seed
	stripes                     [256]sync.Mutex
}

// ReadBack returns the app's tally.
func (a *App) ReadBack() *ReadBack {
	return &ReadBack{
		reads:  a.Vars.Counter("drv_reads"),
		hits:   a.Vars.Counter("drv_read_hits"),
		misses: a.Vars.Counter("drv_read_misses"),
		errors: a.Vars.Counter("drv_read_errors"),
		seed:   maphash.MakeSeed(),
	}
}

// Lock keeps other writers of the same owner out from the write to its reading
// back: a thing that its owner removed in between would look like a lost one.
func (r *ReadBack) Lock(owner string) (unlock func()) {
	stripe := &r.stripes[maphash.String(r.seed, owner)%uint64(len(r.stripes))]
	stripe.Lock()
	return stripe.Unlock
}

// Locked is a middleware that holds Lock for the user whom Require let through.
func (r *ReadBack) Locked(c *celeris.Context) error {
	defer r.Lock(Owner(c))()
	return c.Next()
}

// backendLimit is how long one request may use the backend.
const backendLimit = 10 * time.Second

func limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), backendLimit)
}

// Timed is a middleware that bounds what the handlers behind it wait for with
// c.Context(). A client that goes away does not end it: a write is read back all the same.
func Timed(c *celeris.Context) error {
	before := c.Context()
	ctx, cancel := limit()
	// What runs after the handlers, as the saving of the session, must not meet an ended context.
	defer func() { cancel(); c.SetContext(before) }()
	c.SetContext(ctx)
	return c.Next()
}

// Count takes the outcome of one reading back. ErrMissing is a miss; another
// error is neither hit nor miss.
func (r *ReadBack) Count(found bool, err error) {
	missing := errors.Is(err, ErrMissing)
	r.reads.Add(1)
	switch {
	case err != nil && !missing:
		r.errors.Add(1)
	case found && !missing:
		r.hits.Add(1)
	default:
		r.misses.Add(1)
	}
}

var namespaceForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

// Namespace is what the names of everything that this app keeps in a backend
// begin with: PROBATORIUM_NAMESPACE (default "probatorium") and the engine, so
// that engines and runs that share a backend do not meet.
func (a *App) Namespace() string {
	space := os.Getenv("PROBATORIUM_NAMESPACE")
	if space == "" {
		space = "probatorium"
	}
	if !namespaceForm.MatchString(space) {
		Fail(2, "PROBATORIUM_NAMESPACE: lower-case letters, digits and _ are allowed, up to 41")
	}
	return space + "_" + a.Engine
}
