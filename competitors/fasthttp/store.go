package main

import (
	"bytes"
	"container/list"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	maxEntries = 20_000
	maxBytes   = 32 << 20
	maxIdle    = 2 * time.Minute
)

type entry struct {
	key   string
	value []byte
	used  time.Time
}

// store is a key-value store that forgets what was not used for two minutes, and the least recently used
// entries beyond its bounds.
type store struct {
	mu      sync.Mutex
	entries map[string]*list.Element
	recent  *list.List // most recently used first
	bytes   int
}

func newStore(ctx context.Context) *store {
	s := &store{entries: make(map[string]*list.Element), recent: list.New()}
	go func() {
		ticker := time.NewTicker(5 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				s.mu.Lock()
				s.evict()
				s.mu.Unlock()
			}
		}
	}()
	return s
}

func (s *store) evict() {
	for oldest := s.recent.Back(); oldest != nil; oldest = s.recent.Back() {
		if s.recent.Len() <= maxEntries && s.bytes <= maxBytes && time.Since(oldest.Value.(*entry).used) <= maxIdle {
			return
		}
		s.remove(oldest)
	}
}

func (s *store) remove(element *list.Element) {
	e := s.recent.Remove(element).(*entry)
	delete(s.entries, e.key)
	s.bytes -= len(e.value)
}

func (s *store) get(ctx *fasthttp.RequestCtx) {
	s.mu.Lock()
	element, found := s.entries[ctx.UserValue("key").(string)]
	var value []byte
	if found {
		e := element.Value.(*entry)
		e.used = time.Now()
		value = e.value
		s.recent.MoveToFront(element)
	}
	s.mu.Unlock()
	if !found {
		writeError(ctx, fasthttp.StatusNotFound, "not found")
		return
	}
	ctx.SetContentType("application/octet-stream")
	ctx.SetBody(value)
}

func (s *store) put(ctx *fasthttp.RequestCtx) {
	// fasthttp reuses the memory of a request, so what is kept is copied.
	key := strings.Clone(ctx.UserValue("key").(string))
	if !kvKey.MatchString(key) {
		writeError(ctx, fasthttp.StatusBadRequest, "bad key")
		return
	}
	value := bytes.Clone(ctx.PostBody())
	if len(value) > maxValue {
		writeError(ctx, fasthttp.StatusRequestEntityTooLarge, "body too large")
		return
	}
	s.mu.Lock()
	element, found := s.entries[key]
	if found {
		s.remove(element)
	}
	s.entries[key] = s.recent.PushFront(&entry{key, value, time.Now()})
	s.bytes += len(value)
	s.evict()
	s.mu.Unlock()
	if found {
		ctx.SetStatusCode(fasthttp.StatusNoContent)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusCreated)
}

func (s *store) delete(ctx *fasthttp.RequestCtx) {
	s.mu.Lock()
	element, found := s.entries[ctx.UserValue("key").(string)]
	if found {
		s.remove(element)
	}
	s.mu.Unlock()
	if !found {
		writeError(ctx, fasthttp.StatusNotFound, "not found")
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
