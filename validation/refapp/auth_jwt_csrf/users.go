package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

const (
	mostUsers = 20_000
	// A user keeps the newest documents and grants; older ones go.
	mostDocuments = 200
	mostGrants    = 32
)

// Document is a text of one user; no other user sees it.
type Document struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Text    string `json:"text"`
	Version int    `json:"version"`
}

type user struct {
	id, name  string
	secret    [sha256.Size]byte
	documents map[string]*Document
	ordered   []string
	// grants are the ids of the access tokens that are good, oldest first.
	grants []string
	// refresh maps a refresh token to the grant that it replaces.
	refresh map[string]string
}

// Users is the store of users, grants and documents. Its methods return copies, never what it keeps.
type Users struct {
	mu     sync.RWMutex
	salt   []byte
	byID   map[string]*user
	byName map[string]*user
	owner  map[string]*user // by refresh token
}

func newUsers() *Users {
	salt := make([]byte, 32)
	_, _ = rand.Read(salt)
	return &Users{salt: salt, byID: map[string]*user{}, byName: map[string]*user{}, owner: map[string]*user{}}
}

func newID(bytes int) string {
	id := make([]byte, bytes)
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}

func (u *Users) count() int {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return len(u.byID)
}

// Grant is what a login or a refresh gives.
type Grant struct {
	UserID, Name string
	// ID is the id of the access token (jti).
	ID string
	// Refresh is good once.
	Refresh string
}

// login returns a new grant; a free name is taken with the password given. It is false for a wrong password.
func (u *Users) login(name, password string) (Grant, bool) {
	mac := hmac.New(sha256.New, u.salt)
	mac.Write([]byte(name + "\x00" + password))
	secret := [sha256.Size]byte(mac.Sum(nil))
	u.mu.Lock()
	defer u.mu.Unlock()
	found := u.byName[name]
	switch {
	case found == nil && len(u.byID) >= mostUsers:
		return Grant{}, false
	case found == nil:
		found = &user{
			id: newID(8), name: name, secret: secret,
			documents: map[string]*Document{}, refresh: map[string]string{},
		}
		u.byID[found.id], u.byName[name] = found, found
	case !hmac.Equal(secret[:], found.secret[:]):
		return Grant{}, false
	}
	return u.grant(found), true
}

// grant is called with the lock held.
func (u *Users) grant(to *user) Grant {
	grant := Grant{UserID: to.id, Name: to.name, ID: newID(8), Refresh: newID(16)}
	to.grants = append(to.grants, grant.ID)
	to.refresh[grant.Refresh] = grant.ID
	u.owner[grant.Refresh] = to
	if len(to.grants) > mostGrants {
		u.endGrant(to, to.grants[0])
	}
	return grant
}

// endGrant is called with the lock held.
func (u *Users) endGrant(of *user, id string) {
	kept := of.grants[:0:0]
	for _, grant := range of.grants {
		if grant != id {
			kept = append(kept, grant)
		}
	}
	of.grants = kept
	for token, grant := range of.refresh {
		if grant == id {
			delete(of.refresh, token)
			delete(u.owner, token)
		}
	}
}

// refresh ends the grant of the token and gives a new one. It is false for a token that is unknown or used.
func (u *Users) refresh(token string) (Grant, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	owner := u.owner[token]
	if owner == nil {
		return Grant{}, false
	}
	u.endGrant(owner, owner.refresh[token])
	return u.grant(owner), true
}

func (u *Users) revoke(userID, grant string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if owner := u.byID[userID]; owner != nil {
		u.endGrant(owner, grant)
	}
}

// name returns the user's name while the grant is good.
func (u *Users) name(userID, grant string) (string, bool) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	owner := u.byID[userID]
	if owner == nil {
		return "", false
	}
	for _, known := range owner.grants {
		if known == grant {
			return owner.name, true
		}
	}
	return "", false
}

func (u *Users) list(userID string, limit int) []Document {
	u.mu.RLock()
	defer u.mu.RUnlock()
	found := []Document{}
	if owner := u.byID[userID]; owner != nil {
		for i := len(owner.ordered) - 1; i >= 0 && len(found) < limit; i-- {
			found = append(found, *owner.documents[owner.ordered[i]])
		}
	}
	return found
}

func (u *Users) create(userID, title, text string) (Document, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	owner := u.byID[userID]
	if owner == nil {
		return Document{}, false
	}
	document := &Document{ID: newID(8), Title: title, Text: text, Version: 1}
	owner.documents[document.ID] = document
	owner.ordered = append(owner.ordered, document.ID)
	if len(owner.ordered) > mostDocuments {
		delete(owner.documents, owner.ordered[0])
		owner.ordered = append(owner.ordered[:0:0], owner.ordered[1:]...)
	}
	return *document, true
}

func (u *Users) read(userID, id string) (Document, bool) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	owner := u.byID[userID]
	if owner == nil || owner.documents[id] == nil {
		return Document{}, false
	}
	return *owner.documents[id], true
}

func (u *Users) replace(userID, id, title, text string) (Document, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	owner := u.byID[userID]
	if owner == nil || owner.documents[id] == nil {
		return Document{}, false
	}
	document := owner.documents[id]
	document.Title, document.Text = title, text
	document.Version++
	return *document, true
}

func (u *Users) remove(userID, id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	owner := u.byID[userID]
	if owner == nil || owner.documents[id] == nil {
		return false
	}
	delete(owner.documents, id)
	for i, known := range owner.ordered {
		if known == id {
			owner.ordered = append(owner.ordered[:i:i], owner.ordered[i+1:]...)
			break
		}
	}
	return true
}
