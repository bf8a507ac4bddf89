// Command observability is the refapp of what celeris lets one see of a server:
// Prometheus metrics, OpenTelemetry spans, a structured request log, request
// ids, health probes, and its debug and pprof pages, over a board of jobs whose
// counters must agree with all of them.
package main

import (
	"context"
	"log/slog"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/debug"
	"github.com/goceleris/celeris/middleware/healthcheck"
	"github.com/goceleris/celeris/middleware/logger"
	"github.com/goceleris/celeris/middleware/metrics"
	celerisotel "github.com/goceleris/celeris/middleware/otel"
	"github.com/goceleris/celeris/middleware/pprof"
	"github.com/goceleris/celeris/middleware/requestid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"probatorium/refapp/common"
)

// keptEntries bounds log and trace: the newest are enough to look at what a client just did.
const keptEntries = 8192

func main() {
	app := common.New("observability", []string{"I-PANIC", "I-CONN-2", "I-MEM-1", "I-MEM-3"}, nil)
	s := app.Server

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	logs := newLogRing(keptEntries)
	spans := newSpanRing(keptEntries)
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	board := newBoard(registry, traces.Tracer("observability"), logs, spans)
	var counted answered

	s.Use(
		counted.middleware,
		requestid.New(),
		celerisotel.New(celerisotel.Config{
			TracerProvider: traces,
			MeterProvider:  meters,
			Propagators:    propagation.TraceContext{},
		}),
		logger.New(logger.Config{Output: slog.New(logs), LogRoute: true}),
		metrics.New(metrics.Config{Registry: registry}),
		app.Recovery(),
		healthcheck.New(healthcheck.Config{
			// A Config without paths switches the probes off.
			LivePath:     healthcheck.DefaultLivePath,
			ReadyPath:    healthcheck.DefaultReadyPath,
			StartPath:    healthcheck.DefaultStartPath,
			ReadyChecker: func(*celeris.Context) bool { return board.ready() },
		}),
		debug.New(debug.Config{Server: s, Collector: s.Collector()}),
		pprof.New(),
	)

	board.mount(s)
	s.GET("/agreement", board.agreement(&counted, registry, reader))
	s.GET("/logs/:id", func(c *celeris.Context) error {
		found := logs.entries.find(c.Param("id"))
		if len(found) == 0 {
			return common.Missing(c, "no log line with this request id")
		}
		return c.JSON(200, map[string]any{"entries": found})
	})
	s.GET("/traces/:id", func(c *celeris.Context) error {
		found := spans.spans.find(c.Param("id"))
		if len(found) == 0 {
			return common.Missing(c, "no span of this trace")
		}
		views := make([]spanView, len(found))
		for i, span := range found {
			views[i] = viewOf(span)
		}
		return c.JSON(200, map[string]any{"spans": views})
	})
	s.GET("/otel", func(c *celeris.Context) error {
		counts, err := otelCounts(c.Context(), reader)
		if err != nil {
			return err
		}
		return c.JSON(200, map[string]any{"http.server.request.duration": counts})
	})
	s.GET("/context", func(c *celeris.Context) error {
		span := celerisotel.SpanFromContext(c)
		return c.JSON(200, map[string]string{
			"request_id": c.RequestID(),
			"trace_id":   span.SpanContext().TraceID().String(),
			"span_id":    span.SpanContext().SpanID().String(),
			"parent_id":  parentOf(span),
		})
	})
	app.Sockets("/ws")
	app.Events("/events")
	app.Base(map[string]any{"signals": []string{"/metrics", "/otel", "/logs/:id", "/traces/:id", "/agreement"}})

	app.Vars.Func("logs_held", func() any { return logs.entries.held() })
	app.Vars.Func("spans_held", func() any { return spans.spans.held() })
	app.OnStop(func() {
		_ = traces.Shutdown(context.Background())
		_ = meters.Shutdown(context.Background())
	})
	app.Run()
}

// parentOf is the span id of the caller, empty for the first span of a trace.
func parentOf(span any) string {
	known, ok := span.(sdktrace.ReadOnlySpan)
	if !ok || !known.Parent().SpanID().IsValid() {
		return ""
	}
	return known.Parent().SpanID().String()
}
