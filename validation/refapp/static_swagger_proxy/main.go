// Command static_swagger_proxy is the refapp of what celeris puts in front of
// things that are not its own: files of a folder and of the binary, an API
// specification with its page, and a reverse proxy to a server that the app
// itself starts on the loopback.
package main

import (
	"context"
	"embed"
	"flag"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goceleris/celeris/middleware/adapters"
	"github.com/goceleris/celeris/middleware/requestid"
	"github.com/goceleris/celeris/middleware/static"
	"github.com/goceleris/celeris/middleware/swagger"

	"probatorium/refapp/common"
)

//go:embed embedded
var embedded embed.FS

func main() {
	root := flag.String("root", "public", "`folder` that is served at /static")
	spec := flag.String("spec", "static_swagger_proxy.openapi.yaml", "OpenAPI `file` that is served at /swagger/spec")
	app := common.New("static_swagger_proxy", []string{"I-PANIC", "I-CONN-2", "I-MEM-1", "I-MEM-3"}, nil)
	s := app.Server

	if info, err := os.Stat(*root); err != nil || !info.IsDir() {
		common.Fail(2, "-root %q is not a folder", *root)
	}
	content, err := os.ReadFile(*spec)
	if err != nil {
		common.Fail(2, "-spec: %v", err)
	}
	inside, err := fs.Sub(embedded, "embedded")
	if err != nil {
		common.Fail(1, "embedded files: %v", err)
	}
	upstream, addr, err := startUpstream(app)
	if err != nil {
		common.Fail(1, "upstream: %v", err)
	}
	transport := &http.Transport{
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: 5 * time.Second,
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
	}
	app.OnStop(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		transport.CloseIdleConnections()
		_ = upstream.Shutdown(ctx)
	})

	s.Use(
		app.Recovery(),
		requestid.New(),
		static.New(static.Config{Root: *root, Prefix: "/static", MaxAge: time.Minute}),
		static.New(static.Config{FS: inside, Prefix: "/assets"}),
		swagger.New(swagger.Config{SpecContent: content, SpecFile: "openapi.yaml"}),
	)
	proxied := app.Vars.Counter("proxy_errors")
	proxy := func(prefix, host string, own ...adapters.Option) {
		handler := adapters.ReverseProxy(&url.URL{Scheme: "http", Host: host}, append(own,
			adapters.WithTransport(transport),
			adapters.WithModifyRequest(func(out *http.Request) {
				out.URL.Path = strings.TrimPrefix(out.URL.Path, prefix)
				out.URL.RawPath = strings.TrimPrefix(out.URL.RawPath, prefix)
			}),
			adapters.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
				proxied.Add(1)
				writeJSON(w, 502, common.Problem{Error: "bad_gateway", Detail: err.Error()})
			}),
		)...)
		// Waiting for another server must not hold up an event loop.
		for _, route := range s.Any(prefix+"/*path", handler) {
			route.Async()
		}
	}
	// As it comes out of the box, and with the one thing changed that keeps clients from reading its answers:
	// celeris writes a Content-Length of its own beside the upstream's.
	proxy("/proxy", addr.String())
	proxy("/gateway", addr.String(), adapters.WithModifyResponse(func(response *http.Response) error {
		response.Header.Del("Content-Length")
		return nil
	}))
	proxy("/nowhere", closedPort())
	app.Sockets("/ws")
	app.Events("/events")
	app.Base(map[string]any{"files": []string{"/static/", "/assets/digits.txt"}, "spec": "/swagger/spec", "proxy": "/proxy/echo", "gateway": "/gateway/echo"})
	app.Run()
}

// closedPort is an address of the loopback that refuses connections for the life
// of the process: a socket is bound to it and never listens.
func closedPort() string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var bound syscall.Sockaddr
	if err == nil {
		bound, err = syscall.Getsockname(fd)
	}
	address, ok := bound.(*syscall.SockaddrInet4)
	if err != nil || !ok {
		common.Fail(1, "closed port: %v", err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(address.Port))
}
