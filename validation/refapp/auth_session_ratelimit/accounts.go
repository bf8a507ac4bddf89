package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
)

const (
	mostAccounts = 20_000
	// An account keeps its newest posts; older ones go.
	mostPosts = 200
)

var (
	errTaken = errors.New("the name is taken")
	errFull  = errors.New("no more accounts are taken")
)

// Account is a user with what is theirs.
type Account struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Bio     string `json:"bio"`
	secret  [sha256.Size]byte
	posts   map[string]*Post
	ordered []string
}

// Post is a text of one account; no other account sees it.
type Post struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Text    string `json:"text"`
	Version int    `json:"version"`
}

// Accounts is the store of all accounts. Its methods return copies, never what it keeps.
type Accounts struct {
	mu     sync.RWMutex
	salt   []byte
	byID   map[string]*Account
	byName map[string]*Account
}

func newAccounts() *Accounts {
	salt := make([]byte, 32)
	_, _ = rand.Read(salt)
	return &Accounts{salt: salt, byID: map[string]*Account{}, byName: map[string]*Account{}}
}

func newID() string {
	var id [8]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

func (a *Accounts) digest(name, password string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, a.salt)
	mac.Write([]byte(name + "\x00" + password))
	return [sha256.Size]byte(mac.Sum(nil))
}

func (a *Accounts) count() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.byID)
}

func (a *Accounts) register(name, password, bio string) (Account, error) {
	secret := a.digest(name, password)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byName[name] != nil {
		return Account{}, errTaken
	}
	if len(a.byID) >= mostAccounts {
		return Account{}, errFull
	}
	account := &Account{ID: newID(), Name: name, Bio: bio, secret: secret, posts: map[string]*Post{}}
	a.byID[account.ID], a.byName[name] = account, account
	return *account, nil
}

func (a *Accounts) verify(name, password string) (Account, bool) {
	secret := a.digest(name, password)
	a.mu.RLock()
	defer a.mu.RUnlock()
	account := a.byName[name]
	if account == nil || !hmac.Equal(secret[:], account.secret[:]) {
		return Account{}, false
	}
	return *account, true
}

func (a *Accounts) get(id string) (Account, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	account := a.byID[id]
	if account == nil {
		return Account{}, false
	}
	return *account, true
}

func (a *Accounts) setBio(id, bio string) (Account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.byID[id]
	if account == nil {
		return Account{}, false
	}
	account.Bio = bio
	return *account, true
}

func (a *Accounts) remove(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if account := a.byID[id]; account != nil {
		delete(a.byID, id)
		delete(a.byName, account.Name)
	}
}

func (a *Accounts) addPost(id, title, text string) (Post, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.byID[id]
	if account == nil {
		return Post{}, false
	}
	post := &Post{ID: newID(), Title: title, Text: text, Version: 1}
	account.posts[post.ID] = post
	account.ordered = append(account.ordered, post.ID)
	if len(account.ordered) > mostPosts {
		delete(account.posts, account.ordered[0])
		account.ordered = append(account.ordered[:0:0], account.ordered[1:]...)
	}
	return *post, true
}

// posts returns the account's newest posts, newest first, of those whose title or text holds the words.
func (a *Accounts) posts(id, words string, limit int) []Post {
	a.mu.RLock()
	defer a.mu.RUnlock()
	found := []Post{}
	account := a.byID[id]
	if account == nil {
		return found
	}
	for i := len(account.ordered) - 1; i >= 0 && len(found) < limit; i-- {
		post := account.posts[account.ordered[i]]
		if strings.Contains(post.Title, words) || strings.Contains(post.Text, words) {
			found = append(found, *post)
		}
	}
	return found
}

func (a *Accounts) post(id, postID string) (Post, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	account := a.byID[id]
	if account == nil || account.posts[postID] == nil {
		return Post{}, false
	}
	return *account.posts[postID], true
}

func (a *Accounts) changePost(id, postID, title, text string) (Post, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.byID[id]
	if account == nil || account.posts[postID] == nil {
		return Post{}, false
	}
	post := account.posts[postID]
	post.Title, post.Text = title, text
	post.Version++
	return *post, true
}

func (a *Accounts) removePost(id, postID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.byID[id]
	if account == nil || account.posts[postID] == nil {
		return false
	}
	delete(account.posts, postID)
	for i, known := range account.ordered {
		if known == postID {
			account.ordered = append(account.ordered[:i:i], account.ordered[i+1:]...)
			break
		}
	}
	return true
}
