// Package common holds what every celeris refapp shares: flags, the ready and
// debug lines, the side listener, and the routes that each app has in the same
// shape (index, healthz, echo, upload, WebSocket, server-sent events).
package common
