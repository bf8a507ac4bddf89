package common

import (
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/ratelimit"
)

const (
	// CodesPerAddress are sent at once, another one only after codeRefill.
	CodesPerAddress = 3
	codeRefill      = 30 * time.Second
)

// CodesPerSecond is the rate that a store of Codes has to keep, per address.
var CodesPerSecond = 1 / codeRefill.Seconds()

// Codes mounts a route that sends codes to addresses, with a rate limit that is kept in a backend.
func (a *App) Codes(limits ratelimit.Store) {
	limit := ratelimit.New(ratelimit.Config{
		Store:   limits,
		KeyFunc: func(c *celeris.Context) string { return Param(c, "address") },
		ErrorHandler: func(c *celeris.Context, _ error) error {
			return Refuse(c, 429, Problem{Error: "too_many_requests"})
		},
	})
	a.Server.POST("/codes/:address", limit, func(c *celeris.Context) error {
		return c.JSON(202, map[string]string{"address": Param(c, "address")})
	}).UsesDriver()
}
