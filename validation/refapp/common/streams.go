package common

import (
	"context"
	"errors"
	"expvar"
	"strconv"
	"sync"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/middleware/sse"
	"github.com/goceleris/celeris/middleware/websocket"
)

const (
	eventInterval  = 100 * time.Millisecond
	eventHistory   = 1024
	heartbeat      = 5 * time.Second
	socketMessage  = 16 << 20
	socketIdleTime = 2 * time.Minute
)

// Sockets mounts a WebSocket echo for text and binary messages of up to 16 MiB.
func (a *App) Sockets(path string) {
	open := a.Vars.Counter("ws_connections")
	messages := a.Vars.Counter("ws_messages")
	var mu sync.Mutex
	peers := map[*websocket.Conn]struct{}{}
	a.OnSignal(func() {
		mu.Lock()
		defer mu.Unlock()
		for peer := range peers {
			goodbye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "shutdown")
			_ = peer.WriteControl(int(websocket.OpClose), goodbye, time.Now().Add(time.Second))
			_ = peer.Close()
		}
	})
	// The refusal stands before the middleware: a handler behind it runs after the
	// upgrade too, and would write an HTTP answer into the WebSocket.
	a.Server.GET(path, needsUpgrade, websocket.New(websocket.Config{
		ReadLimit:   socketMessage,
		IdleTimeout: socketIdleTime,
		Handler: func(peer *websocket.Conn) {
			mu.Lock()
			peers[peer] = struct{}{}
			mu.Unlock()
			open.Add(1)
			defer func() {
				open.Add(-1)
				mu.Lock()
				delete(peers, peer)
				mu.Unlock()
			}()
			for {
				kind, message, err := peer.ReadMessage()
				if err != nil {
					return
				}
				if err := peer.WriteMessage(kind, message); err != nil {
					return
				}
				messages.Add(1)
			}
		},
	}))
}

func needsUpgrade(c *celeris.Context) error {
	if c.IsWebSocket() {
		return c.Next()
	}
	c.SetHeader("upgrade", "websocket")
	c.SetHeader("connection", "Upgrade")
	return Refuse(c, 426, Problem{Error: "upgrade_required", Detail: "this route speaks WebSocket"})
}

// feed publishes numbered events to all subscribers and remembers the newest for those who come back.
type feed struct {
	broker  *sse.Broker
	history sse.ReplayStore
	// mu orders "append and publish" against "nothing missed, so subscribe": no event falls between them.
	mu          sync.Mutex
	newest      string
	subscribers *expvar.Int
	stop        chan struct{}
}

// Events mounts a server-sent event stream of ticks with increasing ids. A
// client that returns with Last-Event-ID first gets what it missed, as far as
// the last 1,024 events reach; an id older than that starts with the newest.
func (a *App) Events(path string) {
	f := &feed{
		broker:      sse.NewBroker(sse.BrokerConfig{SubscriberBuffer: 256, OnSlowSubscriber: closeSlow}),
		history:     sse.NewRingBuffer(eventHistory),
		subscribers: a.Vars.Counter("sse_subscribers"),
		stop:        make(chan struct{}),
	}
	published := a.Vars.Counter("sse_published")
	go f.tick(published)
	var once sync.Once
	stop := func() { once.Do(func() { close(f.stop); f.broker.Close() }) }
	a.OnSignal(stop)
	a.Server.GET(path, sse.New(sse.Config{
		HeartbeatInterval: heartbeat,
		RetryInterval:     500,
		Handler:           f.serve,
	}))
}

func closeSlow(*sse.Client, *sse.PreparedEvent) sse.BrokerPolicy { return sse.BrokerPolicyClose }

func (f *feed) tick(published *expvar.Int) {
	ticker := time.NewTicker(eventInterval)
	defer ticker.Stop()
	for n := int64(1); ; n++ {
		select {
		case <-f.stop:
			return
		case at := <-ticker.C:
			event := sse.Event{
				Event: "tick",
				Data:  `{"n":` + strconv.FormatInt(n, 10) + `,"at":` + strconv.FormatInt(at.UnixMilli(), 10) + `}`,
			}
			f.mu.Lock()
			if id, err := f.history.Append(context.Background(), event); err == nil {
				event.ID, f.newest = id, id
				f.broker.Publish(event)
				published.Add(1)
			}
			f.mu.Unlock()
		}
	}
}

func (f *feed) serve(client *sse.Client) {
	f.subscribers.Add(1)
	defer f.subscribers.Add(-1)
	last := Clone(client.LastEventID())
	unsubscribe, err := f.catchUp(client, last)
	if err != nil {
		return
	}
	defer unsubscribe()
	select {
	case <-client.Context().Done():
	case <-f.stop:
	}
}

// catchUp sends what was missed since last and subscribes at the moment when nothing is.
func (f *feed) catchUp(client *sse.Client, last string) (func(), error) {
	if last != "" {
		if _, err := f.history.Since(client.Context(), last); errors.Is(err, sse.ErrLastIDUnknown) {
			last = ""
		}
	}
	for {
		f.mu.Lock()
		if last == "" || last == f.newest {
			unsubscribe := f.broker.Subscribe(client)
			f.mu.Unlock()
			return unsubscribe, nil
		}
		missed, err := f.history.Since(client.Context(), last)
		if err != nil || len(missed) == 0 {
			unsubscribe := f.broker.Subscribe(client)
			f.mu.Unlock()
			return unsubscribe, nil
		}
		f.mu.Unlock()
		for _, event := range missed {
			if err := client.Send(event); err != nil {
				return nil, err
			}
			last = event.ID
		}
	}
}
