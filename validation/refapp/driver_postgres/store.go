package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/goceleris/celeris/driver/postgres"

	"probatorium/refapp/common"
)

var (
	errMissing = common.ErrMissing
	errStale   = errors.New("it has changed")
	errFunds   = errors.New("the account holds too little")
	errInUse   = errors.New("the account holds money")
)

// uniqueViolation and checkViolation are SQLSTATE values, PostgreSQL Appendix A.
const (
	uniqueViolation = "23505"
	checkViolation  = "23514"
)

const (
	pageSize = 20
	// keptLedgers is how many an owner keeps: the oldest go.
	keptLedgers = 100
)

// Ledger keeps a fixed total that transfers move between its accounts.
type Ledger struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Total   int64  `json:"total"`
}

// Account is one of a ledger.
type Account struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Balance int64  `json:"balance"`
}

// Transfer moves an amount between two accounts of a ledger.
type Transfer struct {
	ID     int64  `json:"id"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Amount int64  `json:"amount"`
	Note   string `json:"note"`
}

// Totals are computed by the database in one statement.
type Totals struct {
	Total     int64 `json:"total"`
	Sum       int64 `json:"sum"`
	Accounts  int64 `json:"accounts"`
	Transfers int64 `json:"transfers"`
}

type store struct {
	pool, mirror *postgres.Pool
}

func sqlState(err error) string {
	var known *postgres.PGError
	if errors.As(err, &known) {
		return known.Code
	}
	return ""
}

// found turns "no row" into errMissing.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errMissing
	}
	return err
}

// within runs fn in a transaction.
func (s *store) within(ctx context.Context, fn func(*postgres.Tx) error) error {
	tx, err := s.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// AddUser is part of common.UserStore.
func (s *store) AddUser(ctx context.Context, name string, salt, secret []byte) error {
	_, err := s.pool.ExecContext(ctx, `INSERT INTO users (name, salt, secret) VALUES ($1, $2, $3)`, name, salt, secret)
	if sqlState(err) == uniqueViolation {
		return common.ErrTaken
	}
	return err
}

// User is part of common.UserStore.
func (s *store) User(ctx context.Context, name string) (salt, secret []byte, err error) {
	err = s.pool.QueryRow(ctx, `SELECT salt, secret FROM users WHERE name = $1`, name).Scan(&salt, &secret)
	return salt, secret, found(err)
}

func (s *store) createLedger(ctx context.Context, owner, name string, total int64) (Ledger, Account, error) {
	ledger, cash := Ledger{Name: name, Version: 1, Total: total}, Account{Name: "cash", Balance: total}
	err := s.within(ctx, func(tx *postgres.Tx) error {
		const insert = `INSERT INTO ledgers (owner, name, total) VALUES ($1, $2, $3) RETURNING id`
		if err := tx.QueryRow(ctx, insert, owner, name, total).Scan(&ledger.ID); err != nil {
			return err
		}
		const account = `INSERT INTO accounts (ledger, name, balance) VALUES ($1, $2, $3) RETURNING id`
		if err := tx.QueryRow(ctx, account, ledger.ID, cash.Name, total).Scan(&cash.ID); err != nil {
			return err
		}
		const prune = `DELETE FROM ledgers WHERE owner = $1 AND id <=
			(SELECT id FROM ledgers WHERE owner = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)`
		_, err := tx.ExecContext(ctx, prune, owner, int64(keptLedgers))
		return err
	})
	return ledger, cash, err
}

const selectLedger = `SELECT id, name, version, total FROM ledgers WHERE id = $1 AND owner = $2`

func (s *store) ledger(ctx context.Context, owner string, id int64) (l Ledger, err error) {
	err = s.pool.QueryRow(ctx, selectLedger, id, owner).Scan(&l.ID, &l.Name, &l.Version, &l.Total)
	return l, found(err)
}

// ledgerAgain reads a ledger over the other pool.
func (s *store) ledgerAgain(ctx context.Context, owner string, id int64) (l Ledger, err error) {
	err = s.mirror.QueryRow(ctx, selectLedger, id, owner).Scan(&l.ID, &l.Name, &l.Version, &l.Total)
	return l, found(err)
}

func (s *store) ledgers(ctx context.Context, owner string, before int64) ([]Ledger, error) {
	rows, err := s.pool.QueryContext(ctx,
		`SELECT id, name, version, total FROM ledgers WHERE owner = $1 AND id < $2 ORDER BY id DESC LIMIT $3`,
		owner, before, int64(pageSize))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := []Ledger{}
	for rows.Next() {
		var l Ledger
		if err := rows.Scan(&l.ID, &l.Name, &l.Version, &l.Total); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// renameLedger changes the name where the version is still the one that the client knows; 0 stands for any.
func (s *store) renameLedger(ctx context.Context, owner string, id, version int64, name string) (Ledger, error) {
	l := Ledger{ID: id, Name: name}
	const update = `UPDATE ledgers SET name = $3, version = version + 1
		WHERE id = $1 AND owner = $2 AND ($4 = 0 OR version = $4) RETURNING version, total`
	err := s.pool.QueryRow(ctx, update, id, owner, name, version).Scan(&l.Version, &l.Total)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := s.ledger(ctx, owner, id); err != nil {
			return l, err
		}
		return l, errStale
	}
	return l, err
}

func (s *store) removeLedger(ctx context.Context, owner string, id int64) error {
	done, err := s.pool.ExecContext(ctx, `DELETE FROM ledgers WHERE id = $1 AND owner = $2`, id, owner)
	if err != nil {
		return err
	}
	if n, _ := done.RowsAffected(); n == 0 {
		return errMissing
	}
	return nil
}

func (s *store) totals(ctx context.Context, owner string, id int64) (t Totals, err error) {
	const query = `SELECT l.total,
			(SELECT coalesce(sum(balance), 0)::bigint FROM accounts WHERE ledger = l.id),
			(SELECT count(*) FROM accounts WHERE ledger = l.id),
			(SELECT count(*) FROM transfers WHERE ledger = l.id)
		FROM ledgers l WHERE l.id = $1 AND l.owner = $2`
	err = s.pool.QueryRow(ctx, query, id, owner).Scan(&t.Total, &t.Sum, &t.Accounts, &t.Transfers)
	return t, found(err)
}

func (s *store) accounts(ctx context.Context, owner string, ledger int64) ([]Account, error) {
	if _, err := s.ledger(ctx, owner, ledger); err != nil {
		return nil, err
	}
	rows, err := s.pool.QueryContext(ctx, `SELECT id, name, balance FROM accounts WHERE ledger = $1 ORDER BY id DESC LIMIT 100`, ledger)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := []Account{}
	for rows.Next() {
		var a Account
		if err := rows.Scan(&a.ID, &a.Name, &a.Balance); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

func (s *store) createAccount(ctx context.Context, owner string, ledger int64, name string) (Account, error) {
	a := Account{Name: name}
	const insert = `INSERT INTO accounts (ledger, name, balance)
		SELECT id, $3, 0 FROM ledgers WHERE id = $1 AND owner = $2 RETURNING id`
	return a, found(s.pool.QueryRow(ctx, insert, ledger, owner, name).Scan(&a.ID))
}

const selectAccount = `SELECT a.id, a.name, a.balance FROM accounts a JOIN ledgers l ON l.id = a.ledger
	WHERE a.id = $1 AND l.id = $2 AND l.owner = $3`

func (s *store) account(ctx context.Context, owner string, ledger, id int64) (a Account, err error) {
	err = s.pool.QueryRow(ctx, selectAccount, id, ledger, owner).Scan(&a.ID, &a.Name, &a.Balance)
	return a, found(err)
}

// accountAgain reads an account over the other pool.
func (s *store) accountAgain(ctx context.Context, owner string, ledger, id int64) (a Account, err error) {
	err = s.mirror.QueryRow(ctx, selectAccount, id, ledger, owner).Scan(&a.ID, &a.Name, &a.Balance)
	return a, found(err)
}

func (s *store) removeAccount(ctx context.Context, owner string, ledger, id int64) error {
	account, err := s.account(ctx, owner, ledger, id)
	if err != nil {
		return err
	}
	if account.Balance != 0 {
		return errInUse
	}
	_, err = s.pool.ExecContext(ctx, `DELETE FROM accounts WHERE id = $1 AND balance = 0`, id)
	return err
}

// transfer moves money in one transaction; both balances are those after it.
func (s *store) transfer(ctx context.Context, owner string, ledger int64, t Transfer) (done Transfer, from, to Account, err error) {
	err = s.within(ctx, func(tx *postgres.Tx) error {
		if err := lockLedger(ctx, tx, owner, ledger); err != nil {
			return err
		}
		done, from, to, err = move(ctx, tx, ledger, t)
		return err
	})
	return done, from, to, err
}

// batch makes every transfer behind a savepoint: one that fails leaves the others.
func (s *store) batch(ctx context.Context, owner string, ledger int64, all []Transfer) (done []int64, refused int, err error) {
	done = []int64{}
	err = s.within(ctx, func(tx *postgres.Tx) error {
		if err := lockLedger(ctx, tx, owner, ledger); err != nil {
			return err
		}
		for i, t := range all {
			point := fmt.Sprintf("item_%d", i)
			if err := tx.Savepoint(ctx, point); err != nil {
				return err
			}
			made, _, _, err := move(ctx, tx, ledger, t)
			switch {
			case err == nil:
				done = append(done, made.ID)
				err = tx.ReleaseSavepoint(ctx, point)
			case errors.Is(err, errFunds), errors.Is(err, errMissing):
				refused++
				err = tx.RollbackToSavepoint(ctx, point)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return done, refused, err
}

func lockLedger(ctx context.Context, tx *postgres.Tx, owner string, id int64) error {
	var locked int64
	const lock = `SELECT id FROM ledgers WHERE id = $1 AND owner = $2 FOR UPDATE`
	return found(tx.QueryRow(ctx, lock, id, owner).Scan(&locked))
}

// move writes the transfer first and the balances after it: where the check of the balance fails, all of it is undone.
func move(ctx context.Context, tx *postgres.Tx, ledger int64, t Transfer) (done Transfer, from, to Account, err error) {
	done = t
	const insert = `INSERT INTO transfers (ledger, source, target, amount, note) VALUES ($1, $2, $3, $4, $5) RETURNING id`
	if err = tx.QueryRow(ctx, insert, ledger, t.From, t.To, t.Amount, t.Note).Scan(&done.ID); err != nil {
		return done, from, to, err
	}
	const change = `UPDATE accounts SET balance = balance + $3 WHERE id = $1 AND ledger = $2 RETURNING id, name, balance`
	if err = tx.QueryRow(ctx, change, t.To, ledger, t.Amount).Scan(&to.ID, &to.Name, &to.Balance); err != nil {
		return done, from, to, found(err)
	}
	err = tx.QueryRow(ctx, change, t.From, ledger, -t.Amount).Scan(&from.ID, &from.Name, &from.Balance)
	if sqlState(err) == checkViolation {
		err = errFunds
	}
	return done, from, to, found(err)
}

func (s *store) transfers(ctx context.Context, owner string, ledger int64) ([]Transfer, error) {
	if _, err := s.ledger(ctx, owner, ledger); err != nil {
		return nil, err
	}
	rows, err := s.pool.QueryContext(ctx,
		`SELECT id, source, target, amount, note FROM transfers WHERE ledger = $1 ORDER BY id DESC LIMIT $2`,
		ledger, int64(pageSize))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := []Transfer{}
	for rows.Next() {
		var t Transfer
		if err := rows.Scan(&t.ID, &t.From, &t.To, &t.Amount, &t.Note); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}
