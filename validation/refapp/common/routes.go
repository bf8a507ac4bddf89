package common

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"slices"
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
		Headers: fields(c.RequestHeaders()),
		Body:    base64.StdEncoding.EncodeToString(c.Body()),
	})
}

// fields leaves out the pseudo-fields that celeris puts before the fields of a
// request. One that came among the fields stays. Where the authority stands
// alone there (HTTP/2, and the engine std), it is told as host.
func fields(all [][2]string) [][2]string {
	told := make([][2]string, 0, len(all)+1)
	authority := ""
	for len(all) > 0 && strings.HasPrefix(all[0][0], ":") {
		if all[0][0] == ":authority" {
			authority = all[0][1]
		}
		all = all[1:]
	}
	hosts := func(field [2]string) bool { return field[0] == "host" }
	if authority != "" && !slices.ContainsFunc(all, hosts) {
		told = append(told, [2]string{"host", authority})
	}
	return append(told, all...)
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

// Refuse answers from within a middleware and keeps the handlers behind it from
// running: celeris runs them all the same when a middleware only returns nil.
func Refuse(c *celeris.Context, code int, problem Problem) error {
	c.Abort()
	return c.JSON(code, problem)
}

// Buffer is a middleware that holds the answer back until the chain has run.
// celeris's session middleware needs it before it: it adds Set-Cookie after the
// handler, when an answer that is not buffered has left already.
func Buffer(c *celeris.Context) error {
	c.BufferResponse()
	return c.Next()
}

// Missing is the answer for a thing that does not exist, or not for this caller.
func Missing(c *celeris.Context, what string) error {
	return c.JSON(404, Problem{Error: "not_found", Detail: what})
}
