package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"probatorium/refapp/common"
)

const (
	mostBody     = 64 << 20
	mostChunks   = 1000
	slowestReply = 2 * time.Second
)

// hopByHop are the fields of RFC 9110 7.6.1 that a proxy must not forward; "te" may be forwarded as "trailers".
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Transfer-Encoding", "Upgrade", "Proxy-Authorization"}

// seen is what the upstream answers at /echo: the request as the proxy sent it.
type seen struct {
	Method string `json:"method"`
	Target string `json:"target"`
	// Headers have lower-case names; repeated fields are joined by ", ".
	Headers map[string]string `json:"headers"`
	// Forwarded says whether each X-Forwarded-* field is there and right.
	Forwarded map[string]bool `json:"forwarded"`
	// HopByHop counts the fields that a proxy must have removed, also those that Connection named.
	HopByHop int    `json:"hop_by_hop"`
	Bytes    int    `json:"bytes"`
	SHA256   string `json:"sha256"`
	// Body is there when it is text of up to 4 KiB.
	Body string `json:"body,omitempty"`
}

// startUpstream starts the server behind the proxy: plain net/http on a free port of the loopback.
func startUpstream(app *common.App) (*http.Server, net.Addr, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	served := app.Vars.Counter("upstream_requests")
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("GET /headers", headers)
	mux.HandleFunc("/status/{code}", status)
	mux.HandleFunc("GET /stream", stream)
	mux.HandleFunc("GET /slow", slow)
	mux.HandleFunc("/refuse", refuse)
	mux.HandleFunc("/broken", broken)
	mux.HandleFunc("GET /cut", cut)
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			mux.ServeHTTP(w, r)
		}),
	}
	go func() { _ = server.Serve(listener) }()
	return server, listener.Addr(), nil
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value)
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostBody))
	if err != nil {
		writeJSON(w, 400, common.Problem{Error: "bad_body", Detail: err.Error()})
		return
	}
	sum := sha256.Sum256(body)
	told := seen{
		Method: r.Method, Target: r.URL.RequestURI(), Headers: map[string]string{},
		Bytes: len(body), SHA256: hex.EncodeToString(sum[:]),
	}
	for name, values := range r.Header {
		told.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
		if slices.Contains(hopByHop, name) && told.Headers["te"] != "trailers" {
			told.HopByHop++
		}
	}
	// A client names its private field in Connection; the name tells it apart from all others.
	if r.Header.Get("X-Private-Hop") != "" {
		told.HopByHop++
	}
	address, err := netip.ParseAddr(r.Header.Get("X-Forwarded-For"))
	told.Forwarded = map[string]bool{
		"for":   err == nil && address.IsLoopback(),
		"host":  r.Header.Get("X-Forwarded-Host") != "" && r.Header.Get("X-Forwarded-Host") != r.Host,
		"proto": r.Header.Get("X-Forwarded-Proto") == "http",
	}
	if len(body) <= 4096 && strings.HasPrefix(r.Header.Get("Content-Type"), "text/") {
		told.Body = string(body)
	}
	writeJSON(w, 200, told)
}

// headers answers with fields that must pass and fields that must not.
func headers(w http.ResponseWriter, _ *http.Request) {
	w.Header().Add("Set-Cookie", "first=1; Path=/proxy")
	w.Header().Add("Set-Cookie", "second=2; Path=/proxy")
	w.Header().Set("ETag", `"upstream-1"`)
	w.Header().Set("X-Upstream", "net/http")
	w.Header().Set("Connection", "X-Private-Hop")
	w.Header().Set("X-Private-Hop", "only for the proxy")
	w.Header().Set("Keep-Alive", "timeout=5")
	w.Header().Set("Proxy-Authenticate", "Basic")
	writeJSON(w, 200, map[string]string{"from": "upstream"})
}

func status(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		writeJSON(w, 400, common.Problem{Error: "bad_status", Detail: "200 to 599"})
		return
	}
	if code >= 300 && code < 400 && code != 304 {
		w.Header().Set("Location", "/elsewhere")
	}
	if code == 204 || code == 304 {
		w.WriteHeader(code)
		return
	}
	writeJSON(w, code, map[string]int{"status": code})
}

// stream sends numbered lines in chunks of their own.
func stream(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 1 || n > mostChunks {
		writeJSON(w, 400, common.Problem{Error: "bad_n", Detail: "1 to 1000"})
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	flusher := http.NewResponseController(w)
	for i := 1; i <= n; i++ {
		if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil || flusher.Flush() != nil {
			return
		}
	}
}

func slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	wait := time.Duration(ms) * time.Millisecond
	if err != nil || wait < 0 || wait > slowestReply {
		writeJSON(w, 400, common.Problem{Error: "bad_ms", Detail: "0 to 2000"})
		return
	}
	select {
	case <-time.After(wait):
		writeJSON(w, 200, map[string]int{"waited_ms": ms})
	case <-r.Context().Done():
	}
}

// refuse answers before it has read the body, and closes.
func refuse(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "close")
	writeJSON(w, 413, common.Problem{Error: "too_large", Detail: "not read"})
}

// broken closes the connection without an answer.
func broken(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// cut promises more than it sends.
func cut(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nonly this")
	_ = buffered.Flush()
	_ = conn.Close()
}
