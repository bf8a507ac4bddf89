package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/goceleris/celeris/driver/redis"
	"github.com/goceleris/celeris/driver/redis/protocol"

	"probatorium/refapp/common"
)

var errFunds = common.Conflict("there are too few points")

const (
	pageSize = 20
	bank     = "bank"
	// keptBoards is how many an owner keeps: the oldest go.
	keptBoards = 100
)

type store struct {
	client, mirror *redis.Client
	common.Space
}

func found(err error) error {
	if errors.Is(err, redis.ErrNil) {
		return common.ErrMissing
	}
	return err
}

// AddUser is part of common.UserStore.
func (s *store) AddUser(ctx context.Context, name string, salt, secret []byte) error {
	fresh, err := s.client.SetNX(ctx, s.Key("user", name, "secret"), common.SecretText(salt, secret), 0)
	if err == nil && !fresh {
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

// Value is a text with a version that every write raises.
type Value struct {
	Text    string
	Version int64
}

// readValue reads text and version in one transaction.
func readValue(ctx context.Context, client *redis.Client, key string) (v Value, err error) {
	tx, err := client.TxPipeline(ctx)
	if err != nil {
		return v, err
	}
	text, version := tx.Get(key), tx.Get(key+":version")
	if err := tx.Exec(ctx); err != nil {
		return v, err
	}
	if v.Text, err = text.Result(); err != nil {
		return v, found(err)
	}
	number, err := version.Result()
	if err != nil {
		return v, found(err)
	}
	v.Version, err = strconv.ParseInt(number, 10, 64)
	return v, err
}

// putValue writes text and version in one transaction; where a version is given,
// only if nobody has changed it since: WATCH aborts the transaction otherwise.
func (s *store) putValue(ctx context.Context, key, text string, expected int64) (v Value, err error) {
	v.Text = text
	err = s.client.Watch(ctx, func(tx *redis.Tx) error {
		// Over the other client: waiting here for a second connection of the same pool could wait for itself.
		before, err := readValue(ctx, s.mirror, key)
		if err != nil && !errors.Is(err, common.ErrMissing) {
			return err
		}
		if expected != 0 && before.Version != expected {
			return common.ErrStale
		}
		tx.Set(key, text, 0)
		version := tx.Incr(key + ":version")
		if err := tx.Exec(ctx); err != nil {
			return err
		}
		v.Version, err = version.Result()
		return err
	}, key, key+":version")
	if errors.Is(err, redis.ErrTxAborted) {
		err = common.ErrStale
	}
	return v, err
}

func (s *store) removeValue(ctx context.Context, key string) error {
	// The version stays: a value of the same name has another one later.
	gone, err := s.client.Del(ctx, key)
	if err == nil && gone == 0 {
		return common.ErrMissing
	}
	return err
}

// Board shares out a fixed number of points among its players.
type Board struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Total   int64  `json:"total"`
}

func (s *store) boardKey(owner string, id int64) string {
	return s.Key("board", owner, strconv.FormatInt(id, 10))
}

func (s *store) createBoard(ctx context.Context, owner, name string, total int64) (Board, error) {
	id, err := s.client.Incr(ctx, string(s.Space)+"board:next")
	if err != nil {
		return Board{}, err
	}
	tx, err := s.client.TxPipeline(ctx)
	if err != nil {
		return Board{}, err
	}
	key := s.boardKey(owner, id)
	tx.HSet(key, "name", name, "version", "1", "total", strconv.FormatInt(total, 10))
	tx.ZAdd(key+":scores", redis.Z{Score: float64(total), Member: bank})
	tx.ZAdd(s.Key("boards", owner, "all"), redis.Z{Score: float64(id), Member: strconv.FormatInt(id, 10)})
	if err := tx.Exec(ctx); err != nil {
		return Board{}, err
	}
	oldest, err := s.client.ZRange(ctx, s.Key("boards", owner, "all"), 0, -keptBoards-1)
	if err != nil {
		return Board{}, err
	}
	for _, old := range oldest {
		number, _ := strconv.ParseInt(old, 10, 64)
		if err := s.removeBoard(ctx, owner, number); err != nil && !errors.Is(err, common.ErrMissing) {
			return Board{}, err
		}
	}
	return Board{ID: id, Name: name, Version: 1, Total: total}, nil
}

func readBoard(ctx context.Context, client *redis.Client, key string, id int64) (b Board, err error) {
	fields, err := client.HGetAll(ctx, key)
	if err != nil {
		return b, err
	}
	if len(fields) == 0 {
		return b, common.ErrMissing
	}
	b = Board{ID: id, Name: fields["name"]}
	if b.Version, err = strconv.ParseInt(fields["version"], 10, 64); err != nil {
		return b, err
	}
	b.Total, err = strconv.ParseInt(fields["total"], 10, 64)
	return b, err
}

func (s *store) board(ctx context.Context, owner string, id int64) (Board, error) {
	return readBoard(ctx, s.client, s.boardKey(owner, id), id)
}

// boards reads the newest ones: their numbers from a sorted set, then the names in one pipeline.
func (s *store) boards(ctx context.Context, owner string) ([]Board, error) {
	ids, err := s.client.ZRevRange(ctx, s.Key("boards", owner, "all"), 0, pageSize-1)
	if err != nil || len(ids) == 0 {
		return []Board{}, err
	}
	pipe := s.client.Pipeline()
	defer pipe.Release()
	names := make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		names[i] = pipe.HGet(s.Key("board", owner, id), "name")
	}
	if err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.ErrNil) {
		return nil, err
	}
	all := make([]Board, 0, len(ids))
	for i, id := range ids {
		name, err := names[i].Result()
		if errors.Is(err, redis.ErrNil) {
			continue
		}
		if err != nil {
			return nil, err
		}
		number, _ := strconv.ParseInt(id, 10, 64)
		all = append(all, Board{ID: number, Name: name})
	}
	return all, nil
}

// renameScript changes the name where the version is the expected one (0: any); -1 no board, -2 another version.
const renameScript = `
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return -1 end
if ARGV[2] ~= '0' and ARGV[2] ~= version then return -2 end
redis.call('HSET', KEYS[1], 'name', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'version', 1)`

func (s *store) renameBoard(ctx context.Context, owner string, id, expected int64, name string) (Board, error) {
	key := s.boardKey(owner, id)
	version, err := number(s.client.Eval(ctx, renameScript, []string{key}, name, strconv.FormatInt(expected, 10)))
	switch {
	case err != nil:
		return Board{}, err
	case version == -1:
		return Board{}, common.ErrMissing
	case version == -2:
		return Board{}, common.ErrStale
	}
	total, err := s.client.HGet(ctx, key, "total")
	if err != nil {
		return Board{}, found(err)
	}
	b := Board{ID: id, Name: name, Version: version}
	b.Total, err = strconv.ParseInt(total, 10, 64)
	return b, err
}

func (s *store) removeBoard(ctx context.Context, owner string, id int64) error {
	key := s.boardKey(owner, id)
	tx, err := s.client.TxPipeline(ctx)
	if err != nil {
		return err
	}
	gone := tx.Del(key)
	tx.Del(key + ":scores")
	if err := tx.Exec(ctx); err != nil {
		return err
	}
	if _, err := s.client.ZRem(ctx, s.Key("boards", owner, "all"), strconv.FormatInt(id, 10)); err != nil {
		return err
	}
	n, err := gone.Result()
	if err == nil && n == 0 {
		return common.ErrMissing
	}
	return err
}

// moveScript moves points between two players; -1 no such player, -2 too few points; else what the giver has left.
const moveScript = `
local from = redis.call('ZSCORE', KEYS[1], ARGV[1])
local to = redis.call('ZSCORE', KEYS[1], ARGV[2])
if not from or not to then return -1 end
if tonumber(from) < tonumber(ARGV[3]) then return -2 end
redis.call('ZINCRBY', KEYS[1], ARGV[3], ARGV[2])
return tonumber(redis.call('ZINCRBY', KEYS[1], -tonumber(ARGV[3]), ARGV[1]))`

func (s *store) move(ctx context.Context, owner string, id int64, from, to string, points int64) (left int64, err error) {
	key := s.boardKey(owner, id) + ":scores"
	left, err = number(s.client.Eval(ctx, moveScript, []string{key}, from, to, strconv.FormatInt(points, 10)))
	switch {
	case err != nil:
		return 0, err
	case left == -1:
		return 0, common.ErrMissing
	case left == -2:
		return 0, errFunds
	}
	return left, nil
}

// totalsScript adds up all scores of a board.
const totalsScript = `
local sum = 0
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 2, #all, 2 do sum = sum + tonumber(all[i]) end
return sum`

func (s *store) sum(ctx context.Context, owner string, id int64) (int64, error) {
	return number(s.client.Eval(ctx, totalsScript, []string{s.boardKey(owner, id) + ":scores"}))
}

// number reads the integer that a script returned.
func number(value *protocol.Value, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	if value.Type != protocol.TyInt {
		return 0, fmt.Errorf("a script returned %s in place of an integer", value.Type)
	}
	return value.Int, nil
}
