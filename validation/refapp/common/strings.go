package common

import "strings"

// Clone copies a string that aliases the connection's read buffer, so that it may outlive the handler.
func Clone(s string) string { return strings.Clone(s) }
