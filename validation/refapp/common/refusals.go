package common

import (
	"errors"
	"fmt"
	"os"

	"github.com/goceleris/celeris"
)

// refusal is an error of a store that belongs to the contract: who asked is told it.
type refusal struct {
	code         int
	name, detail string
}

func (r *refusal) Error() string { return r.detail }

// What a store returns besides errors of its backend.
var (
	ErrMissing error = &refusal{404, "not_found", "there is no such thing, or it is not yours"}
	ErrStale         = FailedPrecondition("it has changed")
	ErrTaken         = Conflict("the name is taken")
)

// FailedPrecondition is an error of a store that is answered 412.
func FailedPrecondition(detail string) error {
	return &refusal{412, "precondition_failed", detail}
}

// Conflict is an error of a store that is answered 409.
func Conflict(detail string) error { return &refusal{409, "conflict", detail} }

// Challenge is what a 401 of a session asks for (RFC 9110 15.5.2): a sign-in, whose cookie comes back.
const Challenge = `Session realm="refapp"`

// failuresShown bounds what errors of the backend may print.
const failuresShown = 5

// Refuser answers for what a store returned. Errors of the backend are answered
// 500 and counted in backend_errors; the first few go to stderr.
func (a *App) Refuser(backend string) func(*celeris.Context, error) error {
	failures := a.Vars.Counter("backend_errors")
	return func(c *celeris.Context, err error) error {
		var known *refusal
		if errors.As(err, &known) {
			return c.JSON(known.code, Problem{Error: known.name, Detail: err.Error()})
		}
		failures.Add(1)
		if failures.Value() <= failuresShown {
			fmt.Fprintf(os.Stderr, "%s: %v\n", backend, err)
		}
		return c.JSON(500, Problem{Error: "backend", Detail: "the store failed"})
	}
}
