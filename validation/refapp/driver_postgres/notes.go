package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/goceleris/celeris/driver/postgres"
)

// Note is a numbered line of a ledger's notes.
type Note struct {
	Line    int64  `json:"line"`
	Content string `json:"content"`
}

// replaceNotes loads all lines with COPY FROM STDIN.
func (s *store) replaceNotes(ctx context.Context, owner string, ledger int64, lines []string) (int64, error) {
	if _, err := s.ledger(ctx, owner, ledger); err != nil {
		return 0, err
	}
	if _, err := s.pool.ExecContext(ctx, `DELETE FROM notes WHERE ledger = $1`, ledger); err != nil {
		return 0, err
	}
	rows := make([][]any, len(lines))
	for i, line := range lines {
		rows[i] = []any{ledger, int64(i + 1), line}
	}
	return s.pool.CopyFrom(ctx, "notes", []string{"ledger", "line", "content"}, postgres.CopyFromSlice(rows))
}

// notes reads the lines first..last.
func (s *store) notes(ctx context.Context, owner string, ledger, first, last int64) ([]Note, error) {
	if _, err := s.ledger(ctx, owner, ledger); err != nil {
		return nil, err
	}
	return readNotes(ctx, s.pool, ledger, first, last)
}

// notesAgain reads all lines over the other pool.
func (s *store) notesAgain(ctx context.Context, ledger int64) ([]Note, error) {
	return readNotes(ctx, s.mirror, ledger, 1, mostNotes)
}

func readNotes(ctx context.Context, pool *postgres.Pool, ledger, first, last int64) ([]Note, error) {
	rows, err := pool.QueryContext(ctx,
		`SELECT line, content FROM notes WHERE ledger = $1 AND line BETWEEN $2 AND $3 ORDER BY line`, ledger, first, last)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := []Note{}
	for rows.Next() {
		var n Note
		if err := rows.Scan(&n.Line, &n.Content); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// exportNotes gives the lines as PostgreSQL's text format, by COPY TO STDOUT.
func (s *store) exportNotes(ctx context.Context, owner string, ledger int64) ([]byte, error) {
	if _, err := s.ledger(ctx, owner, ledger); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	query := fmt.Sprintf(`COPY (SELECT line, content FROM notes WHERE ledger = %d ORDER BY line) TO STDOUT`, ledger)
	err := s.pool.CopyTo(ctx, query, func(row []byte) error {
		out.Write(row)
		return nil
	})
	return out.Bytes(), err
}
