package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/goceleris/celeris/driver/memcached"

	"probatorium/refapp/common"
)

var (
	errExists = common.FailedPrecondition("it is there already")
	errFull   = common.Conflict("the list is full")
)

const (
	// lifetime of what is kept: memcached cannot list its keys, so what a run leaves goes by itself.
	lifetime = 7 * 24 * time.Hour
	// keptFolders is how many an owner keeps: the oldest go.
	keptFolders = 100
	// mostDocuments bounds the list of a folder, which is one item.
	mostDocuments = 500
	// mostSwaps bounds the turns of one compare-and-swap.
	mostSwaps = 50
	pageSize  = 20
)

type store struct {
	client, mirror *memcached.Client
	common.Space
}

func found(err error) error {
	if errors.Is(err, memcached.ErrCacheMiss) {
		return common.ErrMissing
	}
	return err
}

// AddUser is part of common.UserStore.
func (s *store) AddUser(ctx context.Context, name string, salt, secret []byte) error {
	err := s.client.Add(ctx, s.Key("user", name, "secret"), common.SecretText(salt, secret), lifetime)
	if errors.Is(err, memcached.ErrNotStored) {
		return common.ErrTaken
	}
	return err
}

// User is part of common.UserStore.
func (s *store) User(ctx context.Context, name string) (salt, secret []byte, err error) {
	text, err := s.client.Get(ctx, s.Key("user", name, "secret"))
	if err != nil {
		return nil, nil, found(err)
	}
	return common.ReadSecret(text)
}

// condition says when a write may happen.
type condition struct {
	// absent: only where nothing is there. present: only where something is.
	absent, present bool
	// token: only where nobody has changed it since; 0 stands for none.
	token uint64
}

// put writes a value and returns its token.
func (s *store) put(ctx context.Context, key string, value []byte, ttl time.Duration, when condition) (token uint64, err error) {
	switch {
	case when.absent:
		err = s.client.AddBytes(ctx, key, value, ttl)
	case when.token != 0:
		_, err = s.client.CASBytes(ctx, key, value, when.token, ttl)
	case when.present:
		err = s.client.ReplaceBytes(ctx, key, value, ttl)
	default:
		err = s.client.SetBytes(ctx, key, value, ttl)
	}
	switch {
	case errors.Is(err, memcached.ErrCASConflict):
		return 0, common.ErrStale
	case errors.Is(err, memcached.ErrNotStored) && when.absent:
		return 0, errExists
	case errors.Is(err, memcached.ErrNotStored):
		return 0, common.ErrMissing
	case err != nil:
		return 0, found(err)
	}
	item, err := s.client.Gets(ctx, key)
	return item.CAS, found(err)
}

// Folder holds documents, newest first.
type Folder struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Version   int      `json:"version"`
	Documents []string `json:"documents"`
}

// face is what a folder shows under its version's entity tag; the documents have a list of their own.
func (f Folder) face() any {
	return map[string]any{"id": f.ID, "name": f.Name, "version": f.Version}
}

// Document is a text in a folder.
type Document struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// swap changes a JSON value by compare-and-swap, again when somebody else was quicker.
func swap[T any](ctx context.Context, s *store, key string, change func(*T) error) (T, error) {
	var value T
	for range mostSwaps {
		item, err := s.client.Gets(ctx, key)
		if err != nil {
			return value, found(err)
		}
		value = *new(T)
		if err := json.Unmarshal(item.Value, &value); err != nil {
			return value, err
		}
		if err := change(&value); err != nil {
			return value, err
		}
		text, err := json.Marshal(value)
		if err != nil {
			return value, err
		}
		_, err = s.client.CASBytes(ctx, key, text, item.CAS, lifetime)
		if !errors.Is(err, memcached.ErrCASConflict) {
			return value, found(err)
		}
	}
	return value, fmt.Errorf("no turn of %d was quick enough for compare-and-swap", mostSwaps)
}

func get[T any](ctx context.Context, client *memcached.Client, key string) (T, error) {
	var value T
	text, err := client.GetBytes(ctx, key)
	if err != nil {
		return value, found(err)
	}
	return value, json.Unmarshal(text, &value)
}

// nextID counts in memcached, so that a number is never given twice.
func (s *store) nextID(ctx context.Context) (string, error) {
	key := string(s.Space) + "next"
	for range 3 {
		n, err := s.client.Incr(ctx, key, 1)
		if err == nil {
			return strconv.FormatUint(n, 10), nil
		}
		if !errors.Is(err, memcached.ErrCacheMiss) {
			return "", err
		}
		if err := s.client.Add(ctx, key, "0", lifetime); err != nil && !errors.Is(err, memcached.ErrNotStored) {
			return "", err
		}
	}
	return "", errors.New("the counter of ids is not kept")
}

func (s *store) addFolder(ctx context.Context, owner, name string) (Folder, error) {
	id, err := s.nextID(ctx)
	if err != nil {
		return Folder{}, err
	}
	index := s.Key("folders", owner, "all")
	if err := s.client.Add(ctx, index, "[]", lifetime); err != nil && !errors.Is(err, memcached.ErrNotStored) {
		return Folder{}, err
	}
	folder := Folder{ID: id, Name: name, Version: 1, Documents: []string{}}
	text, err := json.Marshal(folder)
	if err != nil {
		return folder, err
	}
	if err := s.client.AddBytes(ctx, s.Key("folder", owner, id), text, lifetime); err != nil {
		return folder, err
	}
	ids, err := swap(ctx, s, index, func(ids *[]string) error {
		*ids = slices.Insert(*ids, 0, id)
		return nil
	})
	if err == nil && len(ids) > keptFolders {
		err = s.removeFolder(ctx, owner, ids[len(ids)-1])
	}
	return folder, err
}

// folders reads the newest ones with one request for many keys.
func (s *store) folders(ctx context.Context, owner string) ([]Folder, error) {
	ids, err := get[[]string](ctx, s.client, s.Key("folders", owner, "all"))
	if errors.Is(err, common.ErrMissing) {
		return []Folder{}, nil
	}
	if err != nil {
		return nil, err
	}
	ids = ids[:min(len(ids), pageSize)]
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = s.Key("folder", owner, id)
	}
	all := []Folder{}
	if len(keys) == 0 {
		return all, nil
	}
	texts, err := s.client.GetMultiBytes(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		text, there := texts[key]
		if !there {
			continue
		}
		var folder Folder
		if err := json.Unmarshal(text, &folder); err != nil {
			return nil, err
		}
		all = append(all, folder)
	}
	return all, nil
}

func (s *store) removeFolder(ctx context.Context, owner, id string) error {
	folder, err := get[Folder](ctx, s.client, s.Key("folder", owner, id))
	if err != nil {
		return err
	}
	if err := s.client.Delete(ctx, s.Key("folder", owner, id)); err != nil {
		return found(err)
	}
	for _, document := range folder.Documents {
		err := s.client.Delete(ctx, s.Key("document", owner, id+":"+document))
		if err != nil && !errors.Is(err, memcached.ErrCacheMiss) {
			return err
		}
	}
	_, err = swap(ctx, s, s.Key("folders", owner, "all"), func(ids *[]string) error {
		*ids = slices.DeleteFunc(*ids, func(one string) bool { return one == id })
		return nil
	})
	return err
}

func (s *store) addDocument(ctx context.Context, owner, folder string, d Document) (Document, error) {
	id, err := s.nextID(ctx)
	if err != nil {
		return d, err
	}
	d.ID = id
	_, err = swap(ctx, s, s.Key("folder", owner, folder), func(f *Folder) error {
		if len(f.Documents) >= mostDocuments {
			return errFull
		}
		f.Documents = slices.Insert(f.Documents, 0, id)
		return nil
	})
	if err != nil {
		return d, err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return d, err
	}
	return d, s.client.AddBytes(ctx, s.Key("document", owner, folder+":"+id), text, lifetime)
}

func (s *store) removeDocument(ctx context.Context, owner, folder, id string) error {
	if err := s.client.Delete(ctx, s.Key("document", owner, folder+":"+id)); err != nil {
		return found(err)
	}
	_, err := swap(ctx, s, s.Key("folder", owner, folder), func(f *Folder) error {
		f.Documents = slices.DeleteFunc(f.Documents, func(one string) bool { return one == id })
		return nil
	})
	return err
}
