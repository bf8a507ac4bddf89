package main

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

const (
	pingInterval = 15 * time.Second
	pongTimeout  = 30 * time.Second
	writeTimeout = 30 * time.Second
	closeTimeout = 3 * time.Second
)

// sockets echoes WebSocket messages (RFC 6455) and closes all connections with 1001 when the server stops.
type sockets struct {
	ctx      context.Context
	stats    *stats
	upgrader websocket.FastHTTPUpgrader
	open     sync.WaitGroup
}

func newSockets(ctx context.Context, stats *stats) *sockets {
	return &sockets{ctx: ctx, stats: stats}
}

func (s *sockets) serve(ctx *fasthttp.RequestCtx) {
	if !websocket.FastHTTPIsWebSocketUpgrade(ctx) {
		writeError(ctx, fasthttp.StatusUpgradeRequired, "WebSocket only")
		ctx.Response.Header.Set("Connection", "Upgrade")
		ctx.Response.Header.Set("Upgrade", "websocket")
		return
	}
	s.upgrader.Upgrade(ctx, s.echo) // answers by itself when the handshake is wrong
}

func (s *sockets) echo(conn *websocket.Conn) {
	s.open.Add(1)
	s.stats.webSockets.Add(1)
	done := make(chan struct{})
	defer func() {
		close(done)
		conn.Close()
		s.stats.released()
		s.stats.webSockets.Add(-1)
		s.open.Done()
	}()
	conn.SetReadLimit(maxMessage)
	alive := func(string) error { return conn.SetReadDeadline(time.Now().Add(pongTimeout)) }
	conn.SetPongHandler(alive)
	go s.attend(conn, done)

	for {
		alive("")
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		// The library leaves the check of text to the application.
		if kind == websocket.TextMessage && !utf8.Valid(message) {
			s.goodbye(conn, websocket.CloseInvalidFramePayloadData, "text is not UTF-8")
			return
		}
		conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err := conn.WriteMessage(kind, message); err != nil {
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
			s.goodbye(conn, websocket.CloseGoingAway, "server stops")
			conn.SetReadDeadline(time.Now().Add(closeTimeout))
			return
		case <-ticker.C:
			if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(pingInterval)) != nil {
				return
			}
		}
	}
}

func (s *sockets) goodbye(conn *websocket.Conn, code int, reason string) {
	conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(closeTimeout))
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
