package main

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/driver/memcached"

	"probatorium/refapp/common"
)

const (
	// longestValue stays below the largest item of memcached, 1 MiB with its head.
	longestValue = 900 << 10
	longestText  = 64 << 10
)

type handlers struct {
	store    *store
	readBack *common.ReadBack
	refuse   func(*celeris.Context, error) error
}

// backend says which server answers.
func (h *handlers) backend(c *celeris.Context) error {
	version, err := h.store.client.Version(c.Context())
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]string{"server": "memcached " + version})
}

func (h *handlers) value(c *celeris.Context) error {
	item, err := h.store.client.Gets(c.Context(), h.store.At(c, "value"))
	if err != nil {
		return h.refuse(c, found(err))
	}
	if common.SetETag(c, item.CAS) {
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
			return h.refuse(c, common.ErrStale)
		}
		when.token = token
	}
	text, ctx := bytes.Clone(c.Body()), c.Context()
	key := h.store.At(c, "value")
	token, err := h.store.put(ctx, key, text, ttl, when)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := h.store.mirror.Gets(ctx, key)
	h.readBack.Count(read.CAS == token && bytes.Equal(read.Value, text), found(err))
	common.SetETag(c, token)
	return c.JSON(200, map[string]any{"key": common.Param(c, "key"), "bytes": len(text)})
}

func (h *handlers) removeValue(c *celeris.Context) error {
	if err := h.store.client.Delete(c.Context(), h.store.At(c, "value")); err != nil {
		return h.refuse(c, found(err))
	}
	return c.NoContent(204)
}

func (h *handlers) appendValue(c *celeris.Context) error {
	text, ctx := string(c.Body()), c.Context()
	key := h.store.At(c, "value")
	before, err := h.store.client.Get(ctx, key)
	if err == nil && len(before)+len(text) > longestValue {
		return c.JSON(413, common.Problem{Error: "too_large", Detail: "a value has up to 900 KiB"})
	}
	if err == nil {
		err = h.store.client.Append(ctx, key, text)
	}
	if errors.Is(err, memcached.ErrNotStored) {
		err = common.ErrMissing
	}
	if err != nil {
		return h.refuse(c, found(err))
	}
	read, err := h.store.mirror.Get(ctx, key)
	h.readBack.Count(read == before+text, found(err))
	return c.JSON(200, map[string]any{"key": common.Param(c, "key"), "bytes": len(read)})
}

func (h *handlers) touchValue(c *celeris.Context) error {
	ttl, ok := seconds(c)
	if !ok {
		return c.JSON(400, common.Problem{Error: "bad_query", Detail: "ttl has 1 to 604800 seconds"})
	}
	if err := h.store.client.Touch(c.Context(), h.store.At(c, "value"), ttl); err != nil {
		return h.refuse(c, found(err))
	}
	return c.NoContent(204)
}

func (h *handlers) counter(c *celeris.Context) error {
	text, err := h.store.client.Get(c.Context(), h.store.At(c, "counter"))
	if err != nil {
		return h.refuse(c, found(err))
	}
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"key": common.Param(c, "key"), "value": n})
}

func (h *handlers) createCounter(c *celeris.Context) error {
	err := h.store.client.Add(c.Context(), h.store.At(c, "counter"), "0", lifetime)
	if errors.Is(err, memcached.ErrNotStored) {
		err = errExists
	}
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(201, map[string]any{"key": common.Param(c, "key"), "value": 0})
}

// count adds ?by=, or takes it away where it is negative; memcached stops at 0.
func (h *handlers) count(c *celeris.Context) error {
	by, ok, answer := common.QueryBy(c)
	if !ok {
		return answer
	}
	ctx := c.Context()
	key := h.store.At(c, "counter")
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
	h.readBack.Count(strings.TrimSpace(read) == strconv.FormatUint(n, 10), found(err))
	return c.JSON(200, map[string]any{"key": common.Param(c, "key"), "value": n})
}

// writeMany sets all values of a JSON object.
func (h *handlers) writeMany(c *celeris.Context) error {
	if len(c.Body()) > longestValue {
		return c.JSON(413, common.Problem{Error: "too_large", Detail: "all values together have up to 900 KiB"})
	}
	asked, ok, answer := common.BindTexts(c)
	if !ok {
		return answer
	}
	me, ctx := common.Owner(c), c.Context()
	keys := make([]string, 0, len(asked))
	written := make(map[string]string, len(asked))
	for name, text := range asked {
		key := h.store.Key("many", me, name)
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
	h.readBack.Count(same, err)
	return c.JSON(201, map[string]int{"written": len(asked)})
}

// readMany answers ?keys=a,b,c with one request; what is not there is left out.
func (h *handlers) readMany(c *celeris.Context) error {
	names, ok, answer := common.QueryNames(c)
	if !ok {
		return answer
	}
	me := common.Owner(c)
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = h.store.Key("many", me, name)
	}
	texts, err := h.store.client.GetMulti(c.Context(), keys...)
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
