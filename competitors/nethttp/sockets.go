package main

import (
	"context"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

const (
	pingInterval = 15 * time.Second
	writeTimeout = 30 * time.Second
)

// sockets echoes WebSocket messages (RFC 6455) and closes all connections with 1001 when the server stops.
type sockets struct {
	ctx   context.Context
	stats *stats
	open  sync.WaitGroup
}

func newSockets(ctx context.Context, stats *stats) *sockets {
	return &sockets{ctx: ctx, stats: stats}
}

func (s *sockets) serve(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 {
		writeError(w, http.StatusBadRequest, "WebSocket is served over HTTP/1.1 only")
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	s.open.Add(1)
	s.stats.webSockets.Add(1)
	defer func() {
		conn.CloseNow()
		s.stats.released()
		s.stats.webSockets.Add(-1)
		s.open.Done()
	}()
	conn.SetReadLimit(maxMessage)

	done := make(chan struct{})
	defer close(done)
	go s.attend(conn, done)

	for {
		kind, message, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		// The library leaves the check of text to the application.
		if kind == websocket.MessageText && !utf8.Valid(message) {
			conn.Close(websocket.StatusInvalidFramePayloadData, "text is not UTF-8")
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		err = conn.Write(ctx, kind, message)
		cancel()
		if err != nil {
			return
		}
	}
}

// attend pings the client and says goodbye when the server stops.
func (s *sockets) attend(conn *websocket.Conn, done <-chan struct{}) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-s.ctx.Done():
			conn.Close(websocket.StatusGoingAway, "server stops")
			return
		case <-ticker.C:
			ctx, cancel := context.WithTimeout(context.Background(), pingInterval)
			err := conn.Ping(ctx)
			cancel()
			if err != nil {
				conn.CloseNow()
				return
			}
		}
	}
}

// wait returns when all connections are closed, or with the end of ctx.
func (s *sockets) wait(ctx context.Context) {
	closed := make(chan struct{})
	go func() {
		s.open.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
}
