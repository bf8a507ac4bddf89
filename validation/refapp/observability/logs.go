package main

import (
	"context"
	"log/slog"
	"strings"
)

// logEntry is one structured line of the request log.
type logEntry map[string]any

// logRing is a slog.Handler that writes to a ring in memory, under the request id of each line.
type logRing struct {
	entries *ring[logEntry]
	bound   []slog.Attr
}

func newLogRing(size int) *logRing { return &logRing{entries: newRing[logEntry](size)} }

func (l *logRing) Enabled(context.Context, slog.Level) bool { return true }

func (l *logRing) Handle(_ context.Context, record slog.Record) error {
	entry := logEntry{"level": record.Level.String(), "msg": record.Message, "time": record.Time.UnixMicro()}
	take := func(attr slog.Attr) bool {
		value := attr.Value.Resolve()
		switch value.Kind() {
		case slog.KindString:
			// Like a line that is written out: the text as it is now.
			entry[attr.Key] = strings.Clone(value.String())
		case slog.KindDuration:
			entry[attr.Key] = value.Duration().Microseconds()
		default:
			entry[attr.Key] = value.Any()
		}
		return true
	}
	for _, attr := range l.bound {
		take(attr)
	}
	record.Attrs(take)
	key, _ := entry["request_id"].(string)
	l.entries.add(key, entry)
	return nil
}

func (l *logRing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logRing{entries: l.entries, bound: append(append([]slog.Attr(nil), l.bound...), attrs...)}
}

// WithGroup keeps the names flat: the request log has no groups.
func (l *logRing) WithGroup(string) slog.Handler { return l }
