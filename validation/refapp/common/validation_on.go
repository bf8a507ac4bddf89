//go:build validation

package common

import (
	"expvar"

	"github.com/goceleris/celeris/validation"
)

// publishValidation shows the counters that celeris keeps in a validation build.
func publishValidation(fields *expvar.Map) {
	fields.Set("celeris_validation", expvar.Func(func() any { return validation.Snapshot() }))
}
