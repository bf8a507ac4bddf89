package common

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goceleris/celeris"
)

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,80}$`)
	badName  = Problem{Error: "bad_name", Detail: "1 to 80 of A-Z a-z 0-9 . _ -"}
)

// mostNames is how many names one request may hold.
const mostNames = 100

// WellNamed is a middleware that answers 400 where a path parameter is no name.
func WellNamed(param string) celeris.HandlerFunc {
	return func(c *celeris.Context) error {
		if nameForm.MatchString(c.Param(param)) {
			return c.Next()
		}
		return Refuse(c, 400, badName)
	}
}

// Param is a path parameter that may outlive the handler.
func Param(c *celeris.Context, name string) string { return Clone(c.Param(name)) }

// Space is what the keys of an app begin with.
type Space string

// Key names a thing of an owner.
func (s Space) Key(kind, owner, name string) string {
	return string(s) + kind + ":" + KeyPart(owner) + ":" + name
}

// At names the thing of the signed-in user that the path parameter "key" names.
func (s Space) At(c *celeris.Context, kind string) string {
	return s.Key(kind, Owner(c), Param(c, "key"))
}

// QueryNames reads ?keys=a,b,c. What is no list of up to 100 names is answered
// 400 and reported by false.
func QueryNames(c *celeris.Context) (names []string, ok bool, answer error) {
	names = strings.Split(Clone(c.Query("keys")), ",")
	if len(names) > mostNames {
		return nil, false, c.JSON(400, Problem{Error: "bad_query", Detail: "at most 100 keys"})
	}
	for _, name := range names {
		if !nameForm.MatchString(name) {
			return nil, false, c.JSON(400, badName)
		}
	}
	return names, true, nil
}

// QueryBy reads ?by=, a number of 32 bits; 1 without it. Another value is
// answered 400 and reported by false.
func QueryBy(c *celeris.Context) (by int64, ok bool, answer error) {
	text := c.Query("by")
	if text == "" {
		return 1, true, nil
	}
	by, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, false, c.JSON(400, Problem{Error: "bad_query", Detail: "by is no number of 32 bits"})
	}
	return by, true, nil
}

// BindTexts decodes a JSON object of 1 to 100 names with texts. Another body is
// answered 400 or 422 and reported by false.
func BindTexts(c *celeris.Context) (texts map[string]string, ok bool, answer error) {
	if ok, answer := Bind(c, &texts); !ok {
		return nil, false, answer
	}
	valid := len(texts) > 0 && len(texts) <= mostNames
	for name := range texts {
		valid = valid && nameForm.MatchString(name)
	}
	if !valid {
		return nil, false, c.JSON(422, Problem{Error: "invalid", Detail: "1 to 100 names with texts"})
	}
	return texts, true, nil
}

// SetETag sends the entity tag of a version and says whether If-None-Match names it.
func SetETag[N int | int64 | uint64](c *celeris.Context, version N) (known bool) {
	tag := fmt.Sprintf(`"%d"`, version)
	c.SetHeader("etag", tag)
	return c.Header("if-none-match") == tag
}
