package main

import (
	"fmt"
	"strconv"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/driver/redis"

	"probatorium/refapp/common"
)

func boardID(c *celeris.Context) int64 {
	n, err := strconv.ParseInt(c.Param("board"), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

type boardBody struct {
	Name  string `json:"name"`
	Total *int64 `json:"total"`
}

func (h *handlers) boards(c *celeris.Context) error {
	all, err := h.store.boards(c.Context(), common.Owner(c))
	if err != nil {
		return h.refuse(c, err)
	}
	list := make([]map[string]any, len(all))
	for i, b := range all {
		list[i] = map[string]any{"id": b.ID, "name": b.Name}
	}
	return c.JSON(200, map[string]any{"boards": list})
}

func (h *handlers) createBoard(c *celeris.Context) error {
	var asked boardBody
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	total := int64(1000)
	if asked.Total != nil {
		total = *asked.Total
	}
	if !common.Named(asked.Name, 200) || total < 0 || total > mostPoints {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "name of 1 to 200 bytes; total of 0 to 10^9"})
	}
	me, ctx := common.Owner(c), c.Context()
	board, err := h.store.createBoard(ctx, me, asked.Name, total)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := readBoard(ctx, h.store.mirror, h.store.boardKey(me, board.ID), board.ID)
	h.readBack.Count(read == board, err)
	c.SetHeader("location", fmt.Sprintf("/boards/%d", board.ID))
	common.SetETag(c, board.Version)
	return c.JSON(201, board)
}

func (h *handlers) board(c *celeris.Context) error {
	board, err := h.store.board(c.Context(), common.Owner(c), boardID(c))
	if err != nil {
		return h.refuse(c, err)
	}
	if common.SetETag(c, board.Version) {
		return c.NoContent(304)
	}
	return c.JSON(200, board)
}

func (h *handlers) renameBoard(c *celeris.Context) error {
	var asked boardBody
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if !common.Named(asked.Name, 200) {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "name of 1 to 200 bytes"})
	}
	me, id := common.Owner(c), boardID(c)
	ctx := c.Context()
	board, err := h.store.renameBoard(ctx, me, id, expected(c), asked.Name)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := readBoard(ctx, h.store.mirror, h.store.boardKey(me, id), id)
	h.readBack.Count(read == board, err)
	common.SetETag(c, board.Version)
	return c.JSON(200, board)
}

func (h *handlers) removeBoard(c *celeris.Context) error {
	if err := h.store.removeBoard(c.Context(), common.Owner(c), boardID(c)); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}

// scores lists the players, the best first.
func (h *handlers) scores(c *celeris.Context) error {
	me, id := common.Owner(c), boardID(c)
	ctx := c.Context()
	if _, err := h.store.board(ctx, me, id); err != nil {
		return h.refuse(c, err)
	}
	players, err := h.store.client.ZRevRange(ctx, h.store.boardKey(me, id)+":scores", 0, 99)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"players": players})
}

// join lets a player in with no points.
func (h *handlers) join(c *celeris.Context) error {
	player := common.Param(c, "player")
	me, id := common.Owner(c), boardID(c)
	ctx := c.Context()
	if _, err := h.store.board(ctx, me, id); err != nil {
		return h.refuse(c, err)
	}
	key := h.store.boardKey(me, id) + ":scores"
	known, err := h.store.client.ZScore(ctx, key, player)
	if err == nil {
		return c.JSON(200, map[string]any{"player": player, "points": int64(known)})
	}
	if err = found(err); err != common.ErrMissing {
		return h.refuse(c, err)
	}
	if _, err := h.store.client.ZAdd(ctx, key, redis.Z{Score: 0, Member: player}); err != nil {
		return h.refuse(c, err)
	}
	points, err := h.store.mirror.ZScore(ctx, key, player)
	h.readBack.Count(points == 0, found(err))
	return c.JSON(201, map[string]any{"player": player, "points": 0})
}

func (h *handlers) score(c *celeris.Context) error {
	player := common.Param(c, "player")
	points, err := h.store.client.ZScore(c.Context(), h.store.boardKey(common.Owner(c), boardID(c))+":scores", player)
	if err != nil {
		return h.refuse(c, found(err))
	}
	return c.JSON(200, map[string]any{"player": player, "points": int64(points)})
}

// leave removes a player who has no points.
func (h *handlers) leave(c *celeris.Context) error {
	player := common.Param(c, "player")
	me, ctx := common.Owner(c), c.Context()
	key := h.store.boardKey(me, boardID(c)) + ":scores"
	points, err := h.store.client.ZScore(ctx, key, player)
	if err != nil {
		return h.refuse(c, found(err))
	}
	if points != 0 {
		return c.JSON(409, common.Problem{Error: "conflict", Detail: "the player has points"})
	}
	if _, err := h.store.client.ZRem(ctx, key, player); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}

func (h *handlers) move(c *celeris.Context) error {
	var asked struct {
		From   string `json:"from"`
		To     string `json:"to"`
		Points int64  `json:"points"`
	}
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if asked.Points <= 0 || asked.Points > mostPoints || asked.From == asked.To {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "two players and points above 0 are needed"})
	}
	me, id := common.Owner(c), boardID(c)
	ctx := c.Context()
	left, err := h.store.move(ctx, me, id, asked.From, asked.To, asked.Points)
	if err != nil {
		return h.refuse(c, err)
	}
	key := h.store.boardKey(me, id) + ":scores"
	read, err := h.store.mirror.ZScore(ctx, key, asked.From)
	h.readBack.Count(int64(read) == left, found(err))
	has, err := h.store.client.ZScore(ctx, key, asked.To)
	if err != nil {
		return h.refuse(c, found(err))
	}
	return c.JSON(200, map[string]any{"from": left, "to": int64(has)})
}

func (h *handlers) totals(c *celeris.Context) error {
	me, id := common.Owner(c), boardID(c)
	ctx := c.Context()
	board, err := h.store.board(ctx, me, id)
	if err != nil {
		return h.refuse(c, err)
	}
	sum, err := h.store.sum(ctx, me, id)
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]int64{"total": board.Total, "sum": sum})
}
