package main

import (
	"context"
	"fmt"

	"github.com/goceleris/celeris/driver/postgres"
)

// tables are created in the schema that search_path names.
var tables = []string{
	`CREATE TABLE IF NOT EXISTS users (
		name text PRIMARY KEY,
		salt bytea NOT NULL,
		secret bytea NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS ledgers (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		owner text NOT NULL REFERENCES users (name),
		name text NOT NULL,
		version bigint NOT NULL DEFAULT 1,
		total bigint NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS ledgers_of_owner ON ledgers (owner, id DESC)`,
	`CREATE TABLE IF NOT EXISTS accounts (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		ledger bigint NOT NULL REFERENCES ledgers (id) ON DELETE CASCADE,
		name text NOT NULL,
		balance bigint NOT NULL CHECK (balance >= 0))`,
	`CREATE INDEX IF NOT EXISTS accounts_of_ledger ON accounts (ledger, id)`,
	`CREATE TABLE IF NOT EXISTS transfers (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		ledger bigint NOT NULL REFERENCES ledgers (id) ON DELETE CASCADE,
		source bigint NOT NULL,
		target bigint NOT NULL,
		amount bigint NOT NULL CHECK (amount > 0),
		note text NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS transfers_of_ledger ON transfers (ledger, id DESC)`,
	`CREATE TABLE IF NOT EXISTS notes (
		ledger bigint NOT NULL REFERENCES ledgers (id) ON DELETE CASCADE,
		line bigint NOT NULL,
		content text NOT NULL,
		PRIMARY KEY (ledger, line))`,
}

// schemaLock keeps two processes from creating the same things at once, which IF NOT EXISTS alone does not.
const schemaLock = int64(0x70726f6261746f)

func createSchema(ctx context.Context, pool *postgres.Pool, schema string) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// The schema's name is checked where it is read.
	first := []string{fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", schemaLock), "CREATE SCHEMA IF NOT EXISTS " + schema}
	for _, statement := range append(first, tables...) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}
