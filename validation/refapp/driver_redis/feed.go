package main

import (
	"context"
	"expvar"
	"sync"
	"time"

	"github.com/goceleris/celeris"
	"github.com/goceleris/celeris/driver/redis"
	"github.com/goceleris/celeris/middleware/sse"

	"probatorium/refapp/common"
)

// feed passes what is published in Redis on to the subscribers of GET /feed.
type feed struct {
	channel     string
	messages    *redis.PubSub
	broker      *sse.Broker
	subscribers *expvar.Int
	stopping    chan struct{}
	once        sync.Once
}

func openFeed(ctx context.Context, app *common.App, client *redis.Client, channel string) (*feed, error) {
	messages, err := client.Subscribe(ctx, channel)
	if err != nil {
		return nil, err
	}
	f := &feed{
		channel:     channel,
		messages:    messages,
		broker:      sse.NewBroker(sse.BrokerConfig{SubscriberBuffer: 256, OnSlowSubscriber: closeSlow}),
		subscribers: app.Vars.Counter("feed_subscribers"),
		stopping:    make(chan struct{}),
	}
	received := app.Vars.Counter("feed_received")
	app.Vars.Func("feed_drops", func() any { return messages.Drops() })
	go func() {
		for message := range messages.Channel() {
			received.Add(1)
			f.broker.Publish(sse.Event{Event: "message", Data: message.Payload})
		}
	}()
	app.OnSignal(f.end)
	return f, nil
}

func closeSlow(*sse.Client, *sse.PreparedEvent) sse.BrokerPolicy { return sse.BrokerPolicyClose }

func (f *feed) handler() celeris.HandlerFunc {
	return sse.New(sse.Config{
		HeartbeatInterval: 5 * time.Second,
		Handler: func(client *sse.Client) {
			f.subscribers.Add(1)
			defer f.subscribers.Add(-1)
			defer f.broker.Subscribe(client)()
			select {
			case <-client.Context().Done():
			case <-f.stopping:
			}
		},
	})
}

// end lets the streams go.
func (f *feed) end() {
	f.once.Do(func() {
		close(f.stopping)
		f.broker.Close()
	})
}

func (f *feed) close() {
	f.end()
	_ = f.messages.Close()
}
