package main

import (
	"bytes"
	"errors"
	"expvar"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/requestid"

	"probatorium/refapp/common"
)

const (
	cookieName = "preference"
	mostBytes  = 1 << 20
	flightTime = 3 * time.Millisecond
	listed     = 60
	streamed   = 5
)

type handlers struct {
	notes                   *notes
	rendered, charged, runs *expvar.Int
	serial                  atomic.Int64
}

func newHandlers(app *common.App) *handlers {
	h := &handlers{
		notes:    &notes{byID: map[string]*note{}},
		rendered: app.Vars.Counter("cache_rendered"),
		charged:  app.Vars.Counter("payments_charged"),
		runs:     app.Vars.Counter("flights_run"),
	}
	app.Vars.Func("notes", func() any { return h.notes.count() })
	return h
}

// listing is long and repeats itself, so that every coding makes it smaller.
func listing(c *celeris.Context) error {
	word := c.Param("word")
	items := make([]string, listed)
	for i := range items {
		items[i] = fmt.Sprintf("%s is entry %d of a listing", word, i)
	}
	return c.JSON(200, map[string]any{"word": word, "items": items})
}

// cached answers anew each time that it runs; the same number twice came from the cache.
func (h *handlers) cached(c *celeris.Context) error {
	h.rendered.Add(1)
	return c.JSON(200, map[string]any{"key": c.Param("key"), "rendered": h.serial.Add(1)})
}

type payment struct {
	To     string `json:"to"`
	Amount int    `json:"amount"`
}

// pay charges once for each time that it runs.
func (h *handlers) pay(c *celeris.Context) error {
	var asked payment
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if asked.Amount <= 0 {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "amount must be above 0"})
	}
	h.charged.Add(1)
	return c.JSON(201, map[string]any{"payment": newID(), "to": asked.To, "amount": asked.Amount})
}

// slow takes so many milliseconds, unless it is told to stop.
func slow(c *celeris.Context) error {
	ms, err := c.ParamInt("ms")
	if err != nil || ms < 0 || ms > 10_000 {
		return c.JSON(400, common.Problem{Error: "bad_duration", Detail: "0 to 10000 ms"})
	}
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return c.JSON(200, map[string]int{"ms": ms})
	case <-c.Context().Done():
		return c.Context().Err()
	}
}

// flightKey is cloned, since it outlives the request of the client that came first.
func flightKey(c *celeris.Context) string { return common.Clone(c.Path()) }

func (h *handlers) flight(c *celeris.Context) error {
	run := h.serial.Add(1)
	h.runs.Add(1)
	time.Sleep(flightTime)
	return c.JSON(200, map[string]any{"key": c.Param("key"), "run": run})
}

var errFlaky = errors.New("the part behind failed")

func flaky(c *celeris.Context) error {
	if c.Param("outcome") == "fails" {
		return celeris.NewHTTPError(500, errFlaky.Error())
	}
	return c.JSON(200, map[string]string{"outcome": c.Param("outcome")})
}

func secret(c *celeris.Context) error { return c.JSON(200, map[string]string{"secret": "salt"}) }

func raise(*celeris.Context) error { panic(common.DesignedPanic("the panic route was asked")) }

func lines(word string) []string {
	all := make([]string, streamed)
	for i := range all {
		all[i] = fmt.Sprintf("%d %s\n", i, word)
	}
	return all
}

// stream answers in pieces of unknown number.
func stream(c *celeris.Context) error {
	word := common.Clone(c.Param("word"))
	writer := c.StreamWriter()
	if writer == nil {
		return celeris.NewHTTPError(500, "the engine does not stream")
	}
	if err := writer.WriteHeader(200, [][2]string{{"content-type", "text/plain; charset=utf-8"}}); err != nil {
		return err
	}
	for _, line := range lines(word) {
		if _, err := writer.Write([]byte(line)); err != nil {
			return err
		}
		if err := writer.Flush(); err != nil {
			return err
		}
	}
	return writer.Close()
}

// reader answers from an io.Reader.
func reader(c *celeris.Context) error {
	return c.Stream(200, "text/plain; charset=utf-8", strings.NewReader(strings.Join(lines(c.Param("word")), "")))
}

func params(c *celeris.Context) error {
	return c.JSON(200, map[string]string{
		"first": c.Param("first"), "second": c.Param("second"), "rest": c.Param("rest"), "route": c.FullPath(),
	})
}

func query(c *celeris.Context) error {
	return c.JSON(200, map[string]any{
		"text": c.Query("text"), "number": c.QueryInt("number", -1), "list": c.QueryValues("list"), "raw": c.RawQuery(),
	})
}

func form(c *celeris.Context) error {
	return c.JSON(200, map[string]string{"name": c.FormValue("name"), "note": c.FormValue("note")})
}

func redirect(c *celeris.Context) error { return c.Redirect(303, "/listing/"+c.Param("word")) }

func requestID(c *celeris.Context) error {
	return c.JSON(200, map[string]string{"id": requestid.FromContext(c)})
}

func readCookies(c *celeris.Context) error {
	value, err := c.Cookie(cookieName)
	return c.JSON(200, map[string]any{"preference": value, "set": err == nil})
}

func setCookie(c *celeris.Context) error {
	value := c.Param("value")
	c.SetCookie(&celeris.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: 3600, HTTPOnly: true})
	return c.JSON(200, map[string]string{"preference": value})
}

func dropCookie(c *celeris.Context) error {
	c.DeleteCookie(cookieName, "/")
	return c.NoContent(204)
}

// manyBytes answers with so many bytes of a pattern that shows a shift of one.
func manyBytes(c *celeris.Context) error {
	count, err := c.ParamInt("count")
	if err != nil || count < 0 || count > mostBytes {
		return c.JSON(400, common.Problem{Error: "bad_count", Detail: "0 to 1048576"})
	}
	pattern := []byte("0123456789abcdefghijklmnopqrstuvwxyz\n")
	return c.Blob(200, "application/octet-stream", bytes.Repeat(pattern, count/len(pattern)+1)[:count])
}
