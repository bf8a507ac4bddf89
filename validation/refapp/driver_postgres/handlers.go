package main

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goceleris/celeris"

	"probatorium/refapp/common"
)

const (
	queryLimit   = 10 * time.Second
	mostMoney    = int64(1_000_000_000_000)
	mostNotes    = 10_000
	mostTransfer = 100
	// failuresShown bounds what errors of the backend may print.
	failuresShown = 5
)

type handlers struct {
	store    *store
	readBack *common.ReadBack
	failures *expvar.Int
}

func limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), queryLimit)
}

// refuse answers for what a store returned.
func (h *handlers) refuse(c *celeris.Context, err error) error {
	code, name := 0, ""
	switch {
	case errors.Is(err, errMissing):
		code, name = 404, "not_found"
	case errors.Is(err, errStale):
		code, name = 412, "precondition_failed"
	case errors.Is(err, errFunds), errors.Is(err, errInUse), errors.Is(err, common.ErrTaken):
		code, name = 409, "conflict"
	default:
		h.failures.Add(1)
		if h.failures.Value() <= failuresShown {
			fmt.Fprintf(os.Stderr, "PostgreSQL: %v\n", err)
		}
		return c.JSON(500, common.Problem{Error: "backend", Detail: "the database failed"})
	}
	return c.JSON(code, common.Problem{Error: name, Detail: err.Error()})
}

// number reads a path parameter; what is no positive number names nothing.
func number(c *celeris.Context, name string) int64 {
	n, err := strconv.ParseInt(c.Param(name), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// backend says which server answers.
func (h *handlers) backend(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	var version, schema string
	query := `SELECT current_setting('server_version'), current_schema()::text`
	if err := h.store.pool.QueryRow(ctx, query).Scan(&version, &schema); err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]string{"server": "PostgreSQL " + version, "schema": schema})
}

func (h *handlers) ledgers(c *celeris.Context) error {
	before := int64(math.MaxInt64)
	if text := c.Query("before"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return c.JSON(400, common.Problem{Error: "bad_query", Detail: "before is no number"})
		}
		before = n
	}
	ctx, cancel := limit()
	defer cancel()
	all, err := h.store.ledgers(ctx, common.Owner(c), before)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"ledgers": all})
}

type ledgerBody struct {
	Name  string `json:"name"`
	Total *int64 `json:"total"`
}

func (h *handlers) createLedger(c *celeris.Context) error {
	var asked ledgerBody
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	total := int64(1000)
	if asked.Total != nil {
		total = *asked.Total
	}
	if !common.Named(asked.Name, 200) || total < 0 || total > mostMoney {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "name of 1 to 200 bytes; total of 0 to 10^12"})
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	ledger, cash, err := h.store.createLedger(ctx, me, asked.Name, total)
	if err != nil {
		return h.refuse(c, err)
	}
	h.checkLedger(ctx, me, ledger)
	c.SetHeader("location", fmt.Sprintf("/ledgers/%d", ledger.ID))
	c.SetHeader("etag", etag(ledger.Version))
	return c.JSON(201, map[string]any{
		"id": ledger.ID, "name": ledger.Name, "version": ledger.Version, "total": ledger.Total, "cash": cash.ID,
	})
}

func (h *handlers) checkLedger(ctx context.Context, me string, written Ledger) {
	read, err := h.store.ledgerAgain(ctx, me, written.ID)
	same := err == nil && read == written
	if errors.Is(err, errMissing) {
		err = nil
	}
	h.readBack.Count(same, err)
}

func (h *handlers) checkAccount(ctx context.Context, me string, ledger int64, written Account) {
	read, err := h.store.accountAgain(ctx, me, ledger, written.ID)
	same := err == nil && read == written
	if errors.Is(err, errMissing) {
		err = nil
	}
	h.readBack.Count(same, err)
}

func (h *handlers) ledger(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	ledger, err := h.store.ledger(ctx, common.Owner(c), number(c, "ledger"))
	if err != nil {
		return h.refuse(c, err)
	}
	c.SetHeader("etag", etag(ledger.Version))
	if c.Header("if-none-match") == etag(ledger.Version) {
		return c.NoContent(304)
	}
	return c.JSON(200, ledger)
}

func (h *handlers) renameLedger(c *celeris.Context) error {
	var asked ledgerBody
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if !common.Named(asked.Name, 200) {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "name of 1 to 200 bytes"})
	}
	version := int64(0)
	if match := c.Header("if-match"); match != "" && match != "*" {
		n, err := strconv.ParseInt(strings.Trim(match, `"`), 10, 64)
		if err != nil || n <= 0 {
			// A tag that this server never gave matches nothing.
			n = -1
		}
		version = n
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	ledger, err := h.store.renameLedger(ctx, me, number(c, "ledger"), version, asked.Name)
	if err != nil {
		return h.refuse(c, err)
	}
	h.checkLedger(ctx, me, ledger)
	c.SetHeader("etag", etag(ledger.Version))
	return c.JSON(200, ledger)
}

func (h *handlers) removeLedger(c *celeris.Context) error {
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	if err := h.store.removeLedger(ctx, me, number(c, "ledger")); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}

func (h *handlers) totals(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	totals, err := h.store.totals(ctx, common.Owner(c), number(c, "ledger"))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, totals)
}

func (h *handlers) accounts(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	all, err := h.store.accounts(ctx, common.Owner(c), number(c, "ledger"))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"accounts": all})
}

func (h *handlers) createAccount(c *celeris.Context) error {
	var asked ledgerBody
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if !common.Named(asked.Name, 200) {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "name of 1 to 200 bytes"})
	}
	me, ledger := common.Owner(c), number(c, "ledger")
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	account, err := h.store.createAccount(ctx, me, ledger, asked.Name)
	if err != nil {
		return h.refuse(c, err)
	}
	h.checkAccount(ctx, me, ledger, account)
	c.SetHeader("location", fmt.Sprintf("/ledgers/%d/accounts/%d", ledger, account.ID))
	return c.JSON(201, account)
}

func (h *handlers) account(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	account, err := h.store.account(ctx, common.Owner(c), number(c, "ledger"), number(c, "account"))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, account)
}

func (h *handlers) removeAccount(c *celeris.Context) error {
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	if err := h.store.removeAccount(ctx, me, number(c, "ledger"), number(c, "account")); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}

func (h *handlers) transfers(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	all, err := h.store.transfers(ctx, common.Owner(c), number(c, "ledger"))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"transfers": all})
}

func sound(t Transfer) bool {
	return t.Amount > 0 && t.Amount <= mostMoney && t.From != t.To && len(t.Note) <= 500 && !strings.ContainsRune(t.Note, 0)
}

func (h *handlers) transfer(c *celeris.Context) error {
	var asked Transfer
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if !sound(asked) {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "two accounts and an amount above 0 are needed"})
	}
	me, ledger := common.Owner(c), number(c, "ledger")
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	done, from, to, err := h.store.transfer(ctx, me, ledger, asked)
	if err != nil {
		return h.refuse(c, err)
	}
	h.checkAccount(ctx, me, ledger, from)
	h.checkAccount(ctx, me, ledger, to)
	return c.JSON(201, map[string]any{"transfer": done, "from": from, "to": to})
}

func (h *handlers) batch(c *celeris.Context) error {
	var asked struct {
		Transfers []Transfer `json:"transfers"`
	}
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	valid := len(asked.Transfers) > 0 && len(asked.Transfers) <= mostTransfer
	for _, t := range asked.Transfers {
		valid = valid && sound(t)
	}
	if !valid {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "1 to 100 transfers, each with two accounts and an amount above 0"})
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	done, refused, err := h.store.batch(ctx, me, number(c, "ledger"), asked.Transfers)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"made": len(done), "refused": refused, "ids": done})
}

// importNotes takes lines of text.
func (h *handlers) importNotes(c *celeris.Context) error {
	lines := strings.Split(strings.TrimSuffix(string(c.Body()), "\n"), "\n")
	if len(c.Body()) == 0 || len(lines) > mostNotes {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "1 to 10000 lines are needed"})
	}
	for i, line := range lines {
		lines[i] = strings.ToValidUTF8(strings.ReplaceAll(line, "\x00", ""), "\uFFFD")
	}
	me, ledger := common.Owner(c), number(c, "ledger")
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	rows, err := h.store.replaceNotes(ctx, me, ledger, lines)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := h.store.notesAgain(ctx, ledger)
	same := err == nil && len(read) == len(lines)
	for i := 0; same && i < len(lines); i++ {
		same = read[i].Content == lines[i]
	}
	h.readBack.Count(same, err)
	return c.JSON(201, map[string]any{"rows": rows})
}

// notes reads a range: ?first=1&last=100.
func (h *handlers) notes(c *celeris.Context) error {
	first, last := int64(c.QueryInt("first", 1)), int64(c.QueryInt("last", 100))
	if last-first >= 1000 {
		return c.JSON(400, common.Problem{Error: "bad_query", Detail: "at most 1000 lines at once"})
	}
	ctx, cancel := limit()
	defer cancel()
	all, err := h.store.notes(ctx, common.Owner(c), number(c, "ledger"), first, last)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"notes": all})
}

func (h *handlers) exportNotes(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	text, err := h.store.exportNotes(ctx, common.Owner(c), number(c, "ledger"))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.Blob(200, "text/plain; charset=utf-8", text)
}
