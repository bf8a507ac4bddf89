package common

import "strings"

// cloneString copies a string that aliases the connection's read buffer.
func cloneString(s string) string { return strings.Clone(s) }

// Clone copies a string that aliases the connection's read buffer, so that it may outlive the handler.
func Clone(s string) string { return strings.Clone(s) }
