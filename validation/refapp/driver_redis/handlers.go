package main

import (
	"strconv"
	"strings"

	"github.com/goceleris/celeris"

	"probatorium/refapp/common"
)

const (
	mostPoints   = int64(1_000_000_000)
	longestValue = 1 << 20
)

type handlers struct {
	store    *store
	feed     *feed
	readBack *common.ReadBack
	refuse   func(*celeris.Context, error) error
}

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
	info, err := h.store.client.DoString(c.Context(), "INFO", "server")
	if err != nil {
		return h.refuse(c, err)
	}
	_, rest, _ := strings.Cut(info, "redis_version:")
	version, _, _ := strings.Cut(rest, "\r\n")
	return c.JSON(200, map[string]any{"server": "Redis " + version, "protocol": h.store.client.Proto()})
}

func (h *handlers) value(c *celeris.Context) error {
	value, err := readValue(c.Context(), h.store.client, h.store.At(c, "value"))
	if err != nil {
		return h.refuse(c, err)
	}
	if common.SetETag(c, value.Version) {
		return c.NoContent(304)
	}
	return c.Blob(200, "application/octet-stream", []byte(value.Text))
}

func (h *handlers) putValue(c *celeris.Context) error {
	if len(c.Body()) > longestValue {
		return c.JSON(413, common.Problem{Error: "too_large", Detail: "a value has up to 1 MiB"})
	}
	text, ctx := string(c.Body()), c.Context()
	key := h.store.At(c, "value")
	value, err := h.store.putValue(ctx, key, text, expected(c))
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := readValue(ctx, h.store.mirror, key)
	h.readBack.Count(read == value, err)
	common.SetETag(c, value.Version)
	return c.JSON(200, map[string]any{"key": common.Param(c, "key"), "bytes": len(text), "version": value.Version})
}

func (h *handlers) removeValue(c *celeris.Context) error {
	if err := h.store.removeValue(c.Context(), h.store.At(c, "value")); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}

// takeValue reads and removes at once.
func (h *handlers) takeValue(c *celeris.Context) error {
	text, err := h.store.client.GetDelBytes(c.Context(), h.store.At(c, "value"))
	if err != nil {
		return h.refuse(c, found(err))
	}
	return c.Blob(200, "application/octet-stream", text)
}

func (h *handlers) counter(c *celeris.Context) error {
	text, err := h.store.client.Get(c.Context(), h.store.At(c, "counter"))
	if err != nil {
		return h.refuse(c, found(err))
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"key": common.Param(c, "key"), "value": n})
}

func (h *handlers) count(c *celeris.Context) error {
	by, ok, answer := common.QueryBy(c)
	if !ok {
		return answer
	}
	ctx := c.Context()
	key := h.store.At(c, "counter")
	n, err := h.store.client.IncrBy(ctx, key, by)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := h.store.mirror.Get(ctx, key)
	h.readBack.Count(read == strconv.FormatInt(n, 10), found(err))
	return c.JSON(200, map[string]any{"key": common.Param(c, "key"), "value": n})
}

// writeMany sets all values of a JSON object in one pipeline.
func (h *handlers) writeMany(c *celeris.Context) error {
	asked, ok, answer := common.BindTexts(c)
	if !ok {
		return answer
	}
	me, ctx := common.Owner(c), c.Context()
	pipe := h.store.client.Pipeline()
	defer pipe.Release()
	keys, texts := make([]string, 0, len(asked)), make([]string, 0, len(asked))
	for name, text := range asked {
		key := h.store.Key("many", me, name)
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
	h.readBack.Count(same, err)
	return c.JSON(201, map[string]int{"written": len(asked)})
}

// readMany answers ?keys=a,b,c; what is not there is the empty text.
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
	texts, err := h.store.client.MGet(c.Context(), keys...)
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
	text, ctx := string(c.Body()), c.Context()
	key := h.store.At(c, "queue")
	length, err := h.store.client.RPush(ctx, key, text)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := h.store.mirror.LIndex(ctx, key, -1)
	h.readBack.Count(read == text, found(err))
	return c.JSON(201, map[string]int64{"length": length})
}

func (h *handlers) pop(c *celeris.Context) error {
	text, err := h.store.client.LPop(c.Context(), h.store.At(c, "queue"))
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
	receivers, err := h.store.client.Publish(c.Context(), h.feed.channel, text)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(202, map[string]int64{"receivers": receivers})
}
