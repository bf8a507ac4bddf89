package main

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spanRing is a span exporter that keeps the newest spans under their trace ids.
type spanRing struct{ spans *ring[sdktrace.ReadOnlySpan] }

func newSpanRing(size int) *spanRing { return &spanRing{spans: newRing[sdktrace.ReadOnlySpan](size)} }

func (s *spanRing) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		s.spans.add(span.SpanContext().TraceID().String(), span)
	}
	return nil
}

func (s *spanRing) Shutdown(context.Context) error { return nil }

// spanView is a span as GET /traces/:id shows it.
type spanView struct {
	Name       string         `json:"name"`
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	ParentID   string         `json:"parent_span_id,omitempty"`
	Kind       string         `json:"kind"`
	Micros     int64          `json:"duration_us"`
	Attributes map[string]any `json:"attributes"`
}

func viewOf(span sdktrace.ReadOnlySpan) spanView {
	view := spanView{
		Name:       span.Name(),
		TraceID:    span.SpanContext().TraceID().String(),
		SpanID:     span.SpanContext().SpanID().String(),
		Kind:       span.SpanKind().String(),
		Micros:     span.EndTime().Sub(span.StartTime()).Microseconds(),
		Attributes: make(map[string]any, len(span.Attributes())),
	}
	if span.Parent().SpanID().IsValid() {
		view.ParentID = span.Parent().SpanID().String()
	}
	for _, attr := range span.Attributes() {
		view.Attributes[string(attr.Key)] = attr.Value.AsInterface()
	}
	return view
}

func attributeOf(span sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, attr := range span.Attributes() {
		if attr.Key == key {
			return attr.Value.Emit()
		}
	}
	return ""
}

// otelCounts reads how many requests OpenTelemetry's duration histogram holds, by method, route and status.
func otelCounts(ctx context.Context, reader *sdkmetric.ManualReader) (map[string]uint64, error) {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		return nil, err
	}
	counts := map[string]uint64{}
	for _, scope := range all.ScopeMetrics {
		for _, metric := range scope.Metrics {
			data, ok := metric.Data.(metricdata.Histogram[float64])
			if !ok || metric.Name != "http.server.request.duration" {
				continue
			}
			for _, point := range data.DataPoints {
				part := func(key attribute.Key) string {
					value, _ := point.Attributes.Value(key)
					return value.Emit()
				}
				name := part("http.request.method") + " " + part("http.route") + " " + part("http.response.status_code")
				counts[name] += point.Count
			}
		}
	}
	return counts, nil
}
