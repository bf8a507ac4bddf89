package main

import (
	"container/list"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
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

func (s *store) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	element, found := s.entries[r.PathValue("key")]
	var value []byte
	if found {
		e := element.Value.(*entry)
		e.used = time.Now()
		value = e.value
		s.recent.MoveToFront(element)
	}
	s.mu.Unlock()
	if !found {
		writeError(w, http.StatusNotFound, "not found")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(value)
}

func (s *store) put(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	if !kvKey.MatchString(key) {
		writeError(w, http.StatusBadRequest, "bad key")
		return
	}
	value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxValue))
	if err != nil {
		writeBodyError(w, err)
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
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (s *store) delete(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	element, found := s.entries[r.PathValue("key")]
	if found {
		s.remove(element)
	}
	s.mu.Unlock()
	if !found {
		writeError(w, http.StatusNotFound, "not found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
