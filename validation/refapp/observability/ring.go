package main

import "sync"

// ring keeps the newest entries under their keys. Of entries with the same key
// all are kept, newest last.
type ring[T any] struct {
	mu     sync.Mutex
	slots  []slot[T]
	byKey  map[string][]T
	filled uint64
}

type slot[T any] struct {
	key  string
	used bool
}

func newRing[T any](size int) *ring[T] {
	return &ring[T]{slots: make([]slot[T], size), byKey: make(map[string][]T, size)}
}

// add appends an entry; the oldest one makes room.
func (r *ring[T]) add(key string, entry T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := &r.slots[r.filled%uint64(len(r.slots))]
	if at.used {
		// The oldest of its key is the one that leaves.
		if rest := r.byKey[at.key][1:]; len(rest) == 0 {
			delete(r.byKey, at.key)
		} else {
			r.byKey[at.key] = rest
		}
	}
	*at = slot[T]{key: key, used: true}
	r.byKey[key] = append(r.byKey[key], entry)
	r.filled++
}

// find returns the entries under a key, oldest first.
func (r *ring[T]) find(key string) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]T(nil), r.byKey[key]...)
}

// position is the number of entries ever added.
func (r *ring[T]) position() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.filled
}

// overwritten says whether an entry added at a position may have left.
func (r *ring[T]) overwritten(position uint64) bool {
	return r.position()-position >= uint64(len(r.slots))
}

// held is the number of entries in the ring.
func (r *ring[T]) held() int { return int(min(r.position(), uint64(len(r.slots)))) }
