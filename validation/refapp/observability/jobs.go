package main

import (
	"strconv"
	"sync"
	"time"

	"github.com/goceleris/celeris"
	celerisotel "github.com/goceleris/celeris/middleware/otel"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"probatorium/refapp/common"
)

const mostJobs = 100_000

// job is a piece of work that a client has handed in.
type job struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Version int    `json:"version"`
	// RequestID and the trace are those of the request that created it.
	RequestID string `json:"request_id"`
	TraceID   string `json:"trace_id"`
	SpanID    string `json:"span_id"`

	logged, exported uint64
	begun            time.Time
}

// board holds the jobs and counts what happens to them: in its own ledger, under
// its lock, and in Prometheus.
type board struct {
	mu     sync.Mutex
	jobs   map[string]*job
	last   int
	ledger map[string]uint64

	events  *prometheus.CounterVec
	open    prometheus.Gauge
	seconds prometheus.Histogram
	tracer  trace.Tracer
	logs    *logRing
	spans   *spanRing
}

var jobEvents = []string{"created", "renamed", "finished", "removed", "refused"}

func newBoard(registry *prometheus.Registry, tracer trace.Tracer, logs *logRing, spans *spanRing) *board {
	b := &board{
		jobs:   map[string]*job{},
		ledger: map[string]uint64{},
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jobs_events_total", Help: "What happened to jobs.",
		}, []string{"event"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{Name: "jobs_open", Help: "Jobs on the board."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "jobs_duration_seconds", Help: "From creation to finish.", Buckets: prometheus.DefBuckets,
		}),
		tracer: tracer, logs: logs, spans: spans,
	}
	for _, event := range jobEvents {
		b.events.WithLabelValues(event)
	}
	registry.MustRegister(b.events, b.open, b.seconds)
	return b
}

// note counts an event on both sides. The lock is held.
func (b *board) note(event string) {
	b.ledger[event]++
	b.events.WithLabelValues(event).Inc()
}

// ready says whether a job can be taken.
func (b *board) ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.jobs) < mostJobs
}

type jobInput struct {
	Name string `json:"name"`
}

func (b *board) mount(s *celeris.Server) {
	s.GET("/jobs", b.list)
	s.POST("/jobs", b.create)
	s.GET("/jobs/:id", b.with(func(c *celeris.Context, j *job) error { return c.JSON(200, j) }))
	s.PUT("/jobs/:id", b.rename)
	s.POST("/jobs/:id/finish", b.with(b.finish))
	s.DELETE("/jobs/:id", b.with(b.remove))
	s.GET("/jobs/:id/evidence", b.evidence)
}

func (b *board) create(c *celeris.Context) error {
	var input jobInput
	if ok, answer := common.Bind(c, &input); !ok {
		return answer
	}
	if input.Name == "" {
		b.mu.Lock()
		b.note("refused")
		b.mu.Unlock()
		return c.JSON(422, common.Problem{Error: "no_name", Detail: "a job has a name"})
	}
	server := celerisotel.SpanFromContext(c)
	_, span := b.tracer.Start(c.Context(), "jobs.create")
	defer span.End()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.jobs) >= mostJobs {
		return c.JSON(507, common.Problem{Error: "full", Detail: "the board holds no more jobs"})
	}
	b.last++
	j := &job{
		ID: "j" + strconv.Itoa(b.last), Name: common.Clone(input.Name), State: "open", Version: 1,
		RequestID: common.Clone(c.RequestID()),
		TraceID:   server.SpanContext().TraceID().String(),
		SpanID:    server.SpanContext().SpanID().String(),
		logged:    b.logs.entries.position(), exported: b.spans.spans.position(), begun: time.Now(),
	}
	span.SetAttributes(attribute.String("job.id", j.ID))
	b.jobs[j.ID] = j
	b.note("created")
	b.open.Inc()
	c.SetHeader("location", "/jobs/"+j.ID)
	return c.JSON(201, j)
}

// with finds the job and holds the lock while fn answers.
func (b *board) with(fn func(*celeris.Context, *job) error) celeris.HandlerFunc {
	return func(c *celeris.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		j, ok := b.jobs[c.Param("id")]
		if !ok {
			return common.Missing(c, "no such job")
		}
		return fn(c, j)
	}
}

func (b *board) rename(c *celeris.Context) error {
	var input jobInput
	if ok, answer := common.Bind(c, &input); !ok {
		return answer
	}
	return b.with(func(c *celeris.Context, j *job) error {
		if input.Name == "" {
			b.note("refused")
			return c.JSON(422, common.Problem{Error: "no_name", Detail: "a job has a name"})
		}
		j.Name = common.Clone(input.Name)
		j.Version++
		b.note("renamed")
		return c.JSON(200, j)
	})(c)
}

func (b *board) finish(c *celeris.Context, j *job) error {
	if j.State == "done" {
		b.note("refused")
		return c.JSON(409, common.Problem{Error: "done", Detail: "the job is done already"})
	}
	j.State = "done"
	j.Version++
	b.note("finished")
	b.seconds.Observe(time.Since(j.begun).Seconds())
	return c.JSON(200, j)
}

func (b *board) remove(c *celeris.Context, j *job) error {
	delete(b.jobs, j.ID)
	b.note("removed")
	b.open.Dec()
	return c.NoContent(204)
}

func (b *board) list(c *celeris.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	states := map[string]int{"open": 0, "done": 0}
	for _, j := range b.jobs {
		states[j.State]++
	}
	return c.JSON(200, map[string]any{"jobs": len(b.jobs), "states": states})
}

// evidence tells what log and trace hold of the request that created the job.
// It answers 410 once the rings may have lost it.
func (b *board) evidence(c *celeris.Context) error {
	b.mu.Lock()
	j, ok := b.jobs[c.Param("id")]
	var known job
	if ok {
		known = *j
	}
	b.mu.Unlock()
	if !ok {
		return common.Missing(c, "no such job")
	}
	told := map[string]any{"job": known.ID, "request_id": known.RequestID, "logged": 0, "spans": 0}
	for _, entry := range b.logs.entries.find(known.RequestID) {
		if entry["method"] == "POST" && entry["path"] == "/jobs" {
			told["logged"] = told["logged"].(int) + 1
			told["log_status"] = entry["status"]
			told["log_level"] = entry["level"]
		}
	}
	for _, span := range b.spans.spans.find(known.TraceID) {
		switch {
		case span.SpanContext().SpanID().String() == known.SpanID:
			told["spans"] = told["spans"].(int) + 1
			told["span_name"] = span.Name()
			told["span_path"] = attributeOf(span, "url.path")
			told["span_status"] = attributeOf(span, "http.response.status_code")
			told["span_request_id"] = attributeOf(span, "request.id")
		case span.Parent().SpanID().String() == known.SpanID:
			told["spans"] = told["spans"].(int) + 1
			told["child_name"] = span.Name()
			told["child_job"] = attributeOf(span, "job.id")
		}
	}
	if b.logs.entries.overwritten(known.logged) || b.spans.spans.overwritten(known.exported) {
		return c.JSON(410, common.Problem{Error: "rotated", Detail: "log and trace have moved on"})
	}
	return c.JSON(200, told)
}
