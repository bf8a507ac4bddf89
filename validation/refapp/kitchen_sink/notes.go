package main

import (
	"crypto/rand"
	"encoding/hex"
	"sync"

	"github.com/goceleris/celeris"

	"probatorium/refapp/common"
)

// mostNotes are kept, the newest; older ones go.
const mostNotes = 50_000

type note struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Text    string `json:"text"`
	Version int    `json:"version"`
}

type notes struct {
	mu      sync.RWMutex
	byID    map[string]*note
	ordered []string
}

func newID() string {
	var id [8]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

func (n *notes) add(title, text string) note {
	made := &note{ID: newID(), Title: title, Text: text, Version: 1}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.byID[made.ID] = made
	n.ordered = append(n.ordered, made.ID)
	if len(n.ordered) > mostNotes {
		delete(n.byID, n.ordered[0])
		n.ordered = n.ordered[1:]
	}
	return *made
}

func (n *notes) get(id string) (note, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if found := n.byID[id]; found != nil {
		return *found, true
	}
	return note{}, false
}

// change replaces what is not empty.
func (n *notes) change(id, title, text string) (note, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found := n.byID[id]
	if found == nil {
		return note{}, false
	}
	if title != "" {
		found.Title = title
	}
	if text != "" {
		found.Text = text
	}
	found.Version++
	return *found, true
}

func (n *notes) remove(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, known := n.byID[id]
	delete(n.byID, id)
	return known
}

func (n *notes) count() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.byID)
}

func (h *handlers) createNote(c *celeris.Context) error {
	var asked note
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if asked.Title == "" {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "a title is needed"})
	}
	made := h.notes.add(asked.Title, asked.Text)
	c.SetHeader("location", "/notes/"+made.ID)
	return c.JSON(201, made)
}

func (h *handlers) note(c *celeris.Context) error {
	found, ok := h.notes.get(c.Param("id"))
	if !ok {
		return common.Missing(c, "note")
	}
	return c.JSON(200, found)
}

func (h *handlers) replaceNote(c *celeris.Context) error {
	var asked note
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if asked.Title == "" || asked.Text == "" {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "title and text are needed"})
	}
	return h.changeNote(c, asked)
}

func (h *handlers) patchNote(c *celeris.Context) error {
	var asked note
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	return h.changeNote(c, asked)
}

func (h *handlers) changeNote(c *celeris.Context, asked note) error {
	changed, ok := h.notes.change(c.Param("id"), asked.Title, asked.Text)
	if !ok {
		return common.Missing(c, "note")
	}
	return c.JSON(200, changed)
}

func (h *handlers) removeNote(c *celeris.Context) error {
	if !h.notes.remove(c.Param("id")) {
		return common.Missing(c, "note")
	}
	return c.NoContent(204)
}
