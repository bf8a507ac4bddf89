package main

import (
	"sync/atomic"

	"github.com/goceleris/celeris"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// answered counts POST /jobs requests that were answered 201, outside of every
// other middleware: once it has counted a request, metrics and otel must have.
type answered struct{ posted atomic.Uint64 }

func (a *answered) middleware(c *celeris.Context) error {
	err := c.Next()
	if c.StatusCode() == 201 && c.Method() == "POST" && c.FullPath() == "/jobs" {
		a.posted.Add(1)
	}
	return err
}

// agreement compares what Prometheus and OpenTelemetry counted with what the
// handlers did, while the traffic goes on. The board is locked, so the domain's
// counters must be equal; a request that is being answered may or may not stand
// in the middleware's counters, so those must lie between the requests that had
// passed every middleware before the look and the jobs created until after it.
type agreement struct {
	Agrees          bool              `json:"agrees"`
	Ledger          map[string]uint64 `json:"ledger"`
	Prometheus      map[string]uint64 `json:"prometheus"`
	Open            int               `json:"open"`
	OpenGauge       int               `json:"open_gauge"`
	AnsweredBefore  uint64            `json:"answered_before"`
	CelerisRequests uint64            `json:"celeris_requests_total"`
	OtelRequests    uint64            `json:"otel_requests"`
	CreatedAfter    uint64            `json:"created_after"`
}

func (b *board) agreement(a *answered, registry *prometheus.Registry, reader *sdkmetric.ManualReader) celeris.HandlerFunc {
	return func(c *celeris.Context) error {
		before := a.posted.Load()
		b.mu.Lock()
		families, err := registry.Gather()
		if err != nil {
			b.mu.Unlock()
			return err
		}
		told := agreement{
			Ledger: map[string]uint64{}, Prometheus: map[string]uint64{},
			Open: len(b.jobs), AnsweredBefore: before,
		}
		for _, event := range jobEvents {
			told.Ledger[event] = b.ledger[event]
		}
		b.mu.Unlock()
		otelRequests, err := otelCounts(c.Context(), reader)
		if err != nil {
			return err
		}
		b.mu.Lock()
		told.CreatedAfter = b.ledger["created"]
		b.mu.Unlock()
		told.OtelRequests = otelRequests["POST /jobs 201"]
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				switch family.GetName() {
				case "jobs_events_total":
					told.Prometheus[label(metric, "event")] = uint64(metric.GetCounter().GetValue())
				case "jobs_open":
					told.OpenGauge = int(metric.GetGauge().GetValue())
				case "celeris_requests_total":
					if label(metric, "method") == "POST" && label(metric, "path") == "/jobs" && label(metric, "status") == "201" {
						told.CelerisRequests += uint64(metric.GetCounter().GetValue())
					}
				}
			}
		}
		told.Agrees = told.Open == told.OpenGauge &&
			between(told.AnsweredBefore, told.CelerisRequests, told.CreatedAfter) &&
			between(told.AnsweredBefore, told.OtelRequests, told.CreatedAfter)
		for event, count := range told.Ledger {
			told.Agrees = told.Agrees && told.Prometheus[event] == count
		}
		return c.JSON(200, told)
	}
}

func between(low, value, high uint64) bool { return low <= value && value <= high }

func label(metric *dto.Metric, name string) string {
	for _, pair := range metric.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}
