// Command driver_postgres keeps ledgers in PostgreSQL through celeris's own
// driver: users, ledgers of one's own with accounts, transfers in transactions,
// batches with savepoints, notes by COPY, and sessions in the database too.
package main

import (
	"context"
	"strings"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/driver/postgres"
	"github.com/goceleris/celeris/middleware/session"
	"github.com/goceleris/celeris/middleware/session/postgresstore"

	"probatorium/refapp/common"
)

const (
	poolSize = 24
	// The second pool only reads back what the first one wrote.
	mirrorSize  = 8
	sessionIdle = 30 * time.Minute
	startLimit  = 10 * time.Second
)

func main() {
	app := common.New("driver_postgres", []string{"I-DRV", "I-PANIC"}, nil)
	s := app.Server
	s.Use(app.Recovery())
	dsn := inSchema(common.Backend("PROBATORIUM_POSTGRES", "postgres://user@127.0.0.1:5432/postgres"), app.Namespace())
	h := &handlers{readBack: app.ReadBack(), failures: app.Vars.Counter("backend_errors")}

	// The driver looks at the routes when a pool is opened with the engine: one that uses it must be there already.
	s.GET("/backend", h.backend).UsesDriver()
	pool := open(app, "pool", dsn, postgres.WithEngine(s), postgres.WithMaxOpen(poolSize))
	mirror := open(app, "mirror", dsn, postgres.WithMaxOpen(mirrorSize))
	h.store = &store{pool: pool, mirror: mirror}
	people := &common.People{Store: h.store, Refuse: h.refuse}

	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := createSchema(ctx, pool, app.Namespace()); err != nil {
		common.Fail(1, "PostgreSQL: the schema cannot be created: %v", err)
	}
	sessions, err := postgresstore.New(ctx, pool, postgresstore.Options{TableName: "sessions", CleanupInterval: time.Minute})
	if err != nil {
		common.Fail(1, "PostgreSQL: %v", err)
	}
	app.OnStop(func() {
		sessions.Close()
		_ = mirror.Close()
		_ = pool.Close()
	})

	signedOut := s.Group("", common.Buffer, session.New(session.Config{Store: sessions, IdleTimeout: sessionIdle}))
	signedIn := signedOut.Group("", people.Require)
	for _, route := range []*celeris.Route{
		signedOut.POST("/users", people.Register),
		signedOut.POST("/login", people.Login),
		signedIn.POST("/logout", people.Logout),
		signedIn.GET("/me", people.Me),
		signedIn.GET("/ledgers", h.ledgers),
		signedIn.POST("/ledgers", h.createLedger),
		signedIn.GET("/ledgers/:ledger", h.ledger),
		signedIn.PUT("/ledgers/:ledger", h.renameLedger),
		signedIn.DELETE("/ledgers/:ledger", h.removeLedger),
		signedIn.GET("/ledgers/:ledger/totals", h.totals),
		signedIn.GET("/ledgers/:ledger/accounts", h.accounts),
		signedIn.POST("/ledgers/:ledger/accounts", h.createAccount),
		signedIn.GET("/ledgers/:ledger/accounts/:account", h.account),
		signedIn.DELETE("/ledgers/:ledger/accounts/:account", h.removeAccount),
		signedIn.GET("/ledgers/:ledger/transfers", h.transfers),
		signedIn.POST("/ledgers/:ledger/transfers", h.transfer),
		signedIn.POST("/ledgers/:ledger/batches", h.batch),
		signedIn.POST("/ledgers/:ledger/notes", h.importNotes),
		signedIn.GET("/ledgers/:ledger/notes", h.notes),
		signedIn.GET("/ledgers/:ledger/export", h.exportNotes),
	} {
		route.UsesDriver()
	}

	app.Base(map[string]any{"routes": "users, login, logout, me, ledgers, accounts, transfers, batches, notes, export"})
	app.Sockets("/ws")
	app.Events("/events")
	app.Run()
}

// inSchema adds the schema as search_path, which the driver sends when it connects.
func inSchema(dsn, schema string) string {
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return dsn + separator + "search_path=" + schema
}

func open(app *common.App, name, dsn string, options ...postgres.Option) *postgres.Pool {
	pool, err := postgres.Open(dsn, append(options, postgres.WithApplication(app.Name))...)
	if err != nil {
		common.Fail(1, "PostgreSQL: %v", err)
	}
	app.Vars.Func("drv_"+name, func() any {
		stats := pool.Stats()
		return map[string]int{"open": stats.Open, "idle": stats.Idle, "in_use": stats.InUse}
	})
	return pool
}
