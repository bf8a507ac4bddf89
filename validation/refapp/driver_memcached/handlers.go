package main

import (
	"bytes"
	"context"
	"errors"
	"expvar"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/driver/memcached"

	"probatorium/refapp/common"
)

const (
	commandLimit = 10 * time.Second
	mostKeys     = 100
	// longestValue stays below the largest item of memcached, 1 MiB with its head.
	longestValue = 900 << 10
	longestText  = 64 << 10
	// failuresShown bounds what errors of the backend may print.
	failuresShown = 5
)

var keyForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,80}$`)

type handlers struct {
	store    *store
	readBack *common.ReadBack
	failures *expvar.Int
}

func limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), commandLimit)
}

// refuse answers for what a store returned.
func (h *handlers) refuse(c *celeris.Context, err error) error {
	switch {
	case errors.Is(err, errMissing):
		return c.JSON(404, common.Problem{Error: "not_found", Detail: err.Error()})
	case errors.Is(err, errStale), errors.Is(err, errExists):
		return c.JSON(412, common.Problem{Error: "precondition_failed", Detail: err.Error()})
	case errors.Is(err, errFull), errors.Is(err, common.ErrTaken):
		return c.JSON(409, common.Problem{Error: "conflict", Detail: err.Error()})
	}
	h.failures.Add(1)
	if h.failures.Value() <= failuresShown {
		fmt.Fprintf(os.Stderr, "memcached: %v\n", err)
	}
	return c.JSON(500, common.Problem{Error: "backend", Detail: "the store failed"})
}

func tooMany(c *celeris.Context, _ error) error {
	return common.Refuse(c, 429, common.Problem{Error: "too_many_requests"})
}

func addressKey(c *celeris.Context) string { return common.Clone(c.Param("address")) }

// named reads a path parameter; a false answer has been given.
func named(c *celeris.Context, name string) (string, bool, error) {
	key := common.Clone(c.Param(name))
	if keyForm.MatchString(key) {
		return key, true, nil
	}
	return "", false, c.JSON(400, common.Problem{Error: "bad_name", Detail: "1 to 80 of A-Z a-z 0-9 . _ -"})
}

func etag(token uint64) string { return `"` + strconv.FormatUint(token, 10) + `"` }

// check takes one reading back: what is missing is a miss and no error.
func (h *handlers) check(same bool, err error) {
	missing := errors.Is(err, errMissing)
	if missing {
		err = nil
	}
	h.readBack.Count(same && !missing, err)
}

// backend says which server answers.
func (h *handlers) backend(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	version, err := h.store.client.Version(ctx)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]string{"server": "memcached " + version})
}

func (h *handlers) value(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	ctx, cancel := limit()
	defer cancel()
	item, err := h.store.client.Gets(ctx, h.store.key("value", common.Owner(c), name))
	if err != nil {
		return h.refuse(c, found(err))
	}
	c.SetHeader("etag", etag(item.CAS))
	if c.Header("if-none-match") == etag(item.CAS) {
		return c.NoContent(304)
	}
	return c.Blob(200, "application/octet-stream", item.Value)
}

// seconds reads ?ttl=; without it a value lives as long as anything here.
func seconds(c *celeris.Context) (time.Duration, bool) {
	text := c.Query("ttl")
	if text == "" {
		return lifetime, true
	}
	n, err := strconv.ParseUint(text, 10, 32)
	ttl := time.Duration(n) * time.Second
	return ttl, err == nil && ttl >= time.Second && ttl <= lifetime
}

// putValue writes with If-Match (compare-and-swap, or * for what is there) and If-None-Match: * (only what is not).
func (h *handlers) putValue(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	ttl, ok := seconds(c)
	if !ok {
		return c.JSON(400, common.Problem{Error: "bad_query", Detail: "ttl has 1 to 604800 seconds"})
	}
	if len(c.Body()) > longestValue {
		return c.JSON(413, common.Problem{Error: "too_large", Detail: "a value has up to 900 KiB"})
	}
	when := condition{absent: c.Header("if-none-match") == "*"}
	if match := c.Header("if-match"); match == "*" {
		when.present = true
	} else if match != "" {
		token, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 64)
		if err != nil || token == 0 {
			// A tag that memcached never gave matches nothing.
			return h.refuse(c, errStale)
		}
		when.token = token
	}
	me, text := common.Owner(c), bytes.Clone(c.Body())
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	key := h.store.key("value", me, name)
	token, err := h.store.put(ctx, key, text, ttl, when)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := h.store.mirror.Gets(ctx, key)
	h.check(read.CAS == token && bytes.Equal(read.Value, text), found(err))
	c.SetHeader("etag", etag(token))
	return c.JSON(200, map[string]any{"key": name, "bytes": len(text)})
}

func (h *handlers) removeValue(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	if err := h.store.client.Delete(ctx, h.store.key("value", me, name)); err != nil {
		return h.refuse(c, found(err))
	}
	return c.NoContent(204)
}

func (h *handlers) appendValue(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	me, text := common.Owner(c), string(c.Body())
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	key := h.store.key("value", me, name)
	before, err := h.store.client.Get(ctx, key)
	if err == nil && len(before)+len(text) > longestValue {
		return c.JSON(413, common.Problem{Error: "too_large", Detail: "a value has up to 900 KiB"})
	}
	if err == nil {
		err = h.store.client.Append(ctx, key, text)
	}
	if errors.Is(err, memcached.ErrNotStored) {
		err = errMissing
	}
	if err != nil {
		return h.refuse(c, found(err))
	}
	read, err := h.store.mirror.Get(ctx, key)
	h.check(read == before+text, found(err))
	return c.JSON(200, map[string]any{"key": name, "bytes": len(read)})
}

func (h *handlers) touchValue(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	ttl, ok := seconds(c)
	if !ok {
		return c.JSON(400, common.Problem{Error: "bad_query", Detail: "ttl has 1 to 604800 seconds"})
	}
	ctx, cancel := limit()
	defer cancel()
	if err := h.store.client.Touch(ctx, h.store.key("value", common.Owner(c), name), ttl); err != nil {
		return h.refuse(c, found(err))
	}
	return c.NoContent(204)
}

func (h *handlers) counter(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	ctx, cancel := limit()
	defer cancel()
	text, err := h.store.client.Get(ctx, h.store.key("counter", common.Owner(c), name))
	if err != nil {
		return h.refuse(c, found(err))
	}
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"key": name, "value": n})
}

func (h *handlers) createCounter(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	ctx, cancel := limit()
	defer cancel()
	err := h.store.client.Add(ctx, h.store.key("counter", common.Owner(c), name), "0", lifetime)
	if errors.Is(err, memcached.ErrNotStored) {
		err = errExists
	}
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(201, map[string]any{"key": name, "value": 0})
}

// count adds ?by=, or takes it away where it is negative; memcached stops at 0.
func (h *handlers) count(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	by := int64(1)
	if text := c.Query("by"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return c.JSON(400, common.Problem{Error: "bad_query", Detail: "by is no number of 32 bits"})
		}
		by = n
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	key := h.store.key("counter", me, name)
	var n uint64
	var err error
	if by >= 0 {
		n, err = h.store.client.Incr(ctx, key, uint64(by))
	} else {
		n, err = h.store.client.Decr(ctx, key, uint64(-by))
	}
	if err != nil {
		return h.refuse(c, found(err))
	}
	read, err := h.store.mirror.Get(ctx, key)
	// A number that has become shorter keeps its length, with blanks behind it.
	h.check(strings.TrimSpace(read) == strconv.FormatUint(n, 10), found(err))
	return c.JSON(200, map[string]any{"key": name, "value": n})
}

// writeMany sets all values of a JSON object.
func (h *handlers) writeMany(c *celeris.Context) error {
	if len(c.Body()) > longestValue {
		return c.JSON(413, common.Problem{Error: "too_large", Detail: "all values together have up to 900 KiB"})
	}
	var asked map[string]string
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	valid := len(asked) > 0 && len(asked) <= mostKeys
	for name := range asked {
		valid = valid && keyForm.MatchString(name)
	}
	if !valid {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "1 to 100 names with texts"})
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	keys := make([]string, 0, len(asked))
	written := make(map[string]string, len(asked))
	for name, text := range asked {
		key := h.store.key("many", me, name)
		if err := h.store.client.Set(ctx, key, text, lifetime); err != nil {
			return h.refuse(c, err)
		}
		keys, written[key] = append(keys, key), text
	}
	read, err := h.store.mirror.GetMulti(ctx, keys...)
	same := err == nil && len(read) == len(written)
	for key, text := range written {
		same = same && read[key] == text
	}
	h.check(same, err)
	return c.JSON(201, map[string]int{"written": len(asked)})
}

// readMany answers ?keys=a,b,c with one request; what is not there is left out.
func (h *handlers) readMany(c *celeris.Context) error {
	names := strings.Split(common.Clone(c.Query("keys")), ",")
	if len(names) > mostKeys {
		return c.JSON(400, common.Problem{Error: "bad_query", Detail: "at most 100 keys"})
	}
	me := common.Owner(c)
	keys := make([]string, len(names))
	for i, name := range names {
		if !keyForm.MatchString(name) {
			return c.JSON(400, common.Problem{Error: "bad_name", Detail: "1 to 80 of A-Z a-z 0-9 . _ -"})
		}
		keys[i] = h.store.key("many", me, name)
	}
	ctx, cancel := limit()
	defer cancel()
	texts, err := h.store.client.GetMulti(ctx, keys...)
	if err != nil {
		return h.refuse(c, err)
	}
	values := make(map[string]string, len(names))
	for i, name := range names {
		if text, there := texts[keys[i]]; there {
			values[name] = text
		}
	}
	return c.JSON(200, map[string]any{"values": values, "found": len(values)})
}

func (h *handlers) sendCode(c *celeris.Context) error {
	return c.JSON(202, map[string]string{"address": common.Clone(c.Param("address"))})
}
