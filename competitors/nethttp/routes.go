package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

var (
	userID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	kvKey  = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)
)

type item struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Price int    `json:"price"`
	Stock int    `json:"stock"`
}

func oneKilobyte() any {
	items := make([]item, 21)
	for i := range items {
		id := i + 1
		items[i] = item{ID: id, Name: fmt.Sprintf("Item %02d", id), Price: 100 + id, Stock: id % 10}
	}
	return map[string]any{"items": items}
}

func routes(store *store, feed *feed, sockets *sockets) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "Hello, World!")
	})
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"message": "Hello, World!"})
	})
	mux.HandleFunc("GET /json-1k", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, oneKilobyte())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /users/{id}", user)
	mux.HandleFunc("POST /upload", upload)
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("GET /kv/{key}", store.get)
	mux.HandleFunc("PUT /kv/{key}", store.put)
	mux.HandleFunc("DELETE /kv/{key}", store.delete)
	mux.HandleFunc("GET /events", feed.serve)
	mux.HandleFunc("GET /ws", sockets.serve)
	return mux
}

func user(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !userID.MatchString(id) {
		writeError(w, http.StatusBadRequest, "bad id")
		return
	}
	writeJSON(w, http.StatusOK, struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}{id, "User " + id})
}

func upload(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	n, err := io.Copy(hash, http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeBodyError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Bytes  int64  `json:"bytes"`
		SHA256 string `json:"sha256"`
	}{n, hex.EncodeToString(hash.Sum(nil))})
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeBodyError(w, err)
		return
	}
	// net/http keeps fields in a map and Host apart: the order on the wire is not known here.
	headers := [][2]string{{"Host", r.Host}}
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			headers = append(headers, [2]string{name, value})
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Method  string      `json:"method"`
		Target  string      `json:"target"`
		Headers [][2]string `json:"headers"`
		Body    []byte      `json:"body"`
	}{r.Method, r.RequestURI, headers, body})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	body.Truncate(body.Len() - 1) // the encoder's newline
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"error": message})
}

func writeBodyError(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		writeError(w, http.StatusRequestEntityTooLarge, "body too large")
		return
	}
	writeError(w, http.StatusBadRequest, "broken body")
}
