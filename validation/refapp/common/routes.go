package common

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"

	"github.com/goceleris/celeris"
)

// Problem is the body of every error answer.
type Problem struct {
	Error  string `json:"error"`
	Detail string `json:"detail,omitempty"`
}

// Echo is what POST /echo answers: the request as the handler saw it.
type Echo struct {
	Method  string      `json:"method"`
	Target  string      `json:"target"`
	Headers [][2]string `json:"headers"`
	// Body is standard base64.
	Body string `json:"body"`
}

// Upload is what POST /upload answers.
type Upload struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Name is the file's name when the upload was multipart/form-data.
	Name string `json:"name,omitempty"`
}

// Base mounts the routes that all refapps share, and the answers for unknown
// paths and methods. Call it after every Use, since a celeris chain is fixed
// when a route is registered.
func (a *App) Base(about map[string]any) {
	s := a.Server
	index := map[string]any{"refapp": a.Name, "engine": a.Engine}
	for key, value := range about {
		index[key] = value
	}
	s.GET("/", func(c *celeris.Context) error { return c.JSON(200, index) })
	s.GET("/healthz", func(c *celeris.Context) error {
		return c.JSON(200, map[string]string{"status": "ok", "refapp": a.Name, "engine": a.Engine})
	})
	s.POST("/echo", EchoHandler)
	s.POST("/upload", UploadHandler)
	s.NotFound(func(c *celeris.Context) error {
		return c.JSON(404, Problem{Error: "not_found", Detail: "no such route"})
	})
	s.MethodNotAllowed(func(c *celeris.Context) error {
		return c.JSON(405, Problem{Error: "method_not_allowed"})
	})
}

// EchoHandler answers with method, target, headers and body as the handler sees them.
func EchoHandler(c *celeris.Context) error {
	target := c.Path()
	if query := c.RawQuery(); query != "" {
		target += "?" + query
	}
	return c.JSON(200, Echo{
		Method:  c.Method(),
		Target:  target,
		Headers: c.RequestHeaders(),
		Body:    base64.StdEncoding.EncodeToString(c.Body()),
	})
}

// UploadHandler digests the body, or the part named "file" of a multipart/form-data body.
func UploadHandler(c *celeris.Context) error {
	if !strings.HasPrefix(c.Header("content-type"), "multipart/form-data") {
		return c.JSON(201, digest(c.Body(), ""))
	}
	file, header, err := c.FormFile("file")
	if err != nil {
		var known *celeris.HTTPError
		if errors.As(err, &known) {
			return c.JSON(known.Code, Problem{Error: "bad_form", Detail: known.Message})
		}
		return c.JSON(400, Problem{Error: "bad_form", Detail: err.Error()})
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(file)
	if err != nil {
		return c.JSON(400, Problem{Error: "bad_form", Detail: err.Error()})
	}
	return c.JSON(201, digest(content, header.Filename))
}

func digest(content []byte, name string) Upload {
	sum := sha256.Sum256(content)
	return Upload{Bytes: len(content), SHA256: hex.EncodeToString(sum[:]), Name: name}
}

// Bind decodes a JSON body, whatever its content type says. A body that is not
// a JSON value of this shape is answered 400 and reported by false.
func Bind(c *celeris.Context, into any) (ok bool, answer error) {
	if err := c.BindJSON(into); err != nil {
		return false, c.JSON(400, Problem{Error: "bad_json", Detail: err.Error()})
	}
	return true, nil
}

// Missing is the answer for a thing that does not exist, or not for this caller.
func Missing(c *celeris.Context, what string) error {
	return c.JSON(404, Problem{Error: "not_found", Detail: what})
}
