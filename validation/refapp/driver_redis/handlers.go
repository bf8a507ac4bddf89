package main

import (
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

	"probatorium/refapp/common"
)

const (
	commandLimit = 10 * time.Second
	mostPoints   = int64(1_000_000_000)
	mostKeys     = 100
	longestValue = 1 << 20
	// failuresShown bounds what errors of the backend may print.
	failuresShown = 5
)

var keyForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,80}$`)

type handlers struct {
	store    *store
	feed     *feed
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
	case errors.Is(err, errStale):
		return c.JSON(412, common.Problem{Error: "precondition_failed", Detail: err.Error()})
	case errors.Is(err, errFunds), errors.Is(err, common.ErrTaken):
		return c.JSON(409, common.Problem{Error: "conflict", Detail: err.Error()})
	}
	h.failures.Add(1)
	if h.failures.Value() <= failuresShown {
		fmt.Fprintf(os.Stderr, "Redis: %v\n", err)
	}
	return c.JSON(500, common.Problem{Error: "backend", Detail: "the store failed"})
}

func tooMany(c *celeris.Context, _ error) error {
	return common.Refuse(c, 429, common.Problem{Error: "too_many_requests"})
}

func addressKey(c *celeris.Context) string { return common.Clone(c.Param("address")) }

// named reads the path parameter :key; a false answer has been given.
func named(c *celeris.Context, name string) (string, bool, error) {
	key := common.Clone(c.Param(name))
	if keyForm.MatchString(key) {
		return key, true, nil
	}
	return "", false, c.JSON(400, common.Problem{Error: "bad_name", Detail: "1 to 80 of A-Z a-z 0-9 . _ -"})
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// expected reads If-Match: 0 for none or *, -1 for a tag that this server never gave.
func expected(c *celeris.Context) int64 {
	match := c.Header("if-match")
	if match == "" || match == "*" {
		return 0
	}
	n, err := strconv.ParseInt(strings.Trim(match, `"`), 10, 64)
	if err != nil || n <= 0 {
		return -1
	}
	return n
}

// backend says which server answers.
func (h *handlers) backend(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	info, err := h.store.client.DoString(ctx, "INFO", "server")
	if err != nil {
		return h.refuse(c, err)
	}
	_, rest, _ := strings.Cut(info, "redis_version:")
	version, _, _ := strings.Cut(rest, "\r\n")
	return c.JSON(200, map[string]any{"server": "Redis " + version, "protocol": h.store.client.Proto()})
}

func (h *handlers) value(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	ctx, cancel := limit()
	defer cancel()
	value, err := readValue(ctx, h.store.client, h.store.key("value", common.Owner(c), name))
	if err != nil {
		return h.refuse(c, err)
	}
	c.SetHeader("etag", etag(value.Version))
	if c.Header("if-none-match") == etag(value.Version) {
		return c.NoContent(304)
	}
	return c.Blob(200, "application/octet-stream", []byte(value.Text))
}

func (h *handlers) putValue(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	if len(c.Body()) > longestValue {
		return c.JSON(413, common.Problem{Error: "too_large", Detail: "a value has up to 1 MiB"})
	}
	me, text := common.Owner(c), string(c.Body())
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	key := h.store.key("value", me, name)
	value, err := h.store.putValue(ctx, key, text, expected(c))
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := readValue(ctx, h.store.mirror, key)
	h.check(read == value, err)
	c.SetHeader("etag", etag(value.Version))
	return c.JSON(200, map[string]any{"key": name, "bytes": len(text), "version": value.Version})
}

// check takes one reading back: what is missing is a miss and no error.
func (h *handlers) check(same bool, err error) {
	missing := errors.Is(err, errMissing)
	if missing {
		err = nil
	}
	h.readBack.Count(same && !missing, err)
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
	if err := h.store.removeValue(ctx, h.store.key("value", me, name)); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}

// takeValue reads and removes at once.
func (h *handlers) takeValue(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	text, err := h.store.client.GetDelBytes(ctx, h.store.key("value", me, name))
	if err != nil {
		return h.refuse(c, found(err))
	}
	return c.Blob(200, "application/octet-stream", text)
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
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"key": name, "value": n})
}

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
	n, err := h.store.client.IncrBy(ctx, key, by)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := h.store.mirror.Get(ctx, key)
	h.check(read == strconv.FormatInt(n, 10), found(err))
	return c.JSON(200, map[string]any{"key": name, "value": n})
}

// writeMany sets all values of a JSON object in one pipeline.
func (h *handlers) writeMany(c *celeris.Context) error {
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
	pipe := h.store.client.Pipeline()
	defer pipe.Release()
	keys, texts := make([]string, 0, len(asked)), make([]string, 0, len(asked))
	for name, text := range asked {
		key := h.store.key("many", me, name)
		pipe.Set(key, text, 0)
		keys, texts = append(keys, key), append(texts, text)
	}
	if err := pipe.Exec(ctx); err != nil {
		return h.refuse(c, err)
	}
	read, err := h.store.mirror.MGet(ctx, keys...)
	same := err == nil && len(read) == len(texts)
	for i := 0; same && i < len(texts); i++ {
		same = read[i] == texts[i]
	}
	h.check(same, err)
	return c.JSON(201, map[string]int{"written": len(asked)})
}

// readMany answers ?keys=a,b,c; what is not there is the empty text.
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
	texts, err := h.store.client.MGet(ctx, keys...)
	if err != nil {
		return h.refuse(c, err)
	}
	values := make(map[string]string, len(names))
	for i, name := range names {
		values[name] = texts[i]
	}
	return c.JSON(200, map[string]any{"values": values})
}

func (h *handlers) push(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	me, text := common.Owner(c), string(c.Body())
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	key := h.store.key("queue", me, name)
	length, err := h.store.client.RPush(ctx, key, text)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := h.store.mirror.LIndex(ctx, key, -1)
	h.check(read == text, found(err))
	return c.JSON(201, map[string]int64{"length": length})
}

func (h *handlers) pop(c *celeris.Context) error {
	name, ok, answer := named(c, "key")
	if !ok {
		return answer
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	text, err := h.store.client.LPop(ctx, h.store.key("queue", me, name))
	if err != nil {
		return h.refuse(c, found(err))
	}
	return c.Blob(200, "application/octet-stream", []byte(text))
}

// publish sends a message to everybody who reads /feed, in every process.
func (h *handlers) publish(c *celeris.Context) error {
	text := string(c.Body())
	if !common.Named(text, 1000) || strings.ContainsAny(text, "\r\n") {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "one line of 1 to 1000 bytes"})
	}
	ctx, cancel := limit()
	defer cancel()
	receivers, err := h.store.client.Publish(ctx, h.feed.channel, text)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(202, map[string]int64{"receivers": receivers})
}

func (h *handlers) sendCode(c *celeris.Context) error {
	return c.JSON(202, map[string]string{"address": common.Clone(c.Param("address"))})
}
