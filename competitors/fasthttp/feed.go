package main

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	eventInterval = 200 * time.Millisecond
	eventsKept    = 4096
	eventTimeout  = 10 * time.Second
)

// feed produces numbered events and keeps the last of them for readers that come back.
type feed struct {
	ctx         context.Context
	subscribers atomic.Int64

	mu      sync.Mutex
	last    int
	changed chan struct{} // closed and replaced with every event
}

func newFeed(ctx context.Context) *feed {
	f := &feed{ctx: ctx, changed: make(chan struct{})}
	go func() {
		ticker := time.NewTicker(eventInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				f.mu.Lock()
				f.last++
				close(f.changed)
				f.changed = make(chan struct{})
				f.mu.Unlock()
			}
		}
	}()
	return f
}

func (f *feed) state() (int, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.changed
}

// serve streams events (WHATWG HTML, server-sent events). An event's text follows from its number.
func (f *feed) serve(ctx *fasthttp.RequestCtx) {
	last, changed := f.state()
	sent := last
	given := string(ctx.Request.Header.Peek("Last-Event-ID"))
	if id, err := strconv.Atoi(given); err == nil && id >= max(0, last-eventsKept) && id <= last {
		sent = id
	}
	ctx.SetContentType("text/event-stream")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	if ctx.IsHead() {
		return
	}
	conn := ctx.Conn()
	f.subscribers.Add(1)
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer f.subscribers.Add(-1)
		text := []byte("retry: 1000\n\n")
		for {
			for ; sent < last; sent++ {
				text = fmt.Appendf(text, "id: %d\nevent: tick\ndata: {\"id\":%d}\n\n", sent+1, sent+1)
			}
			// The server's own limit counts from the start of the answer, which here is its whole life.
			conn.SetWriteDeadline(time.Now().Add(eventTimeout))
			if _, err := w.Write(text); err != nil {
				return
			}
			if err := w.Flush(); err != nil {
				return
			}
			text = text[:0]
			select {
			case <-changed:
				last, changed = f.state()
			case <-f.ctx.Done():
				return
			}
		}
	})
}
