module probatorium/refapp/kitchen_sink

go 1.26.4

require (
	github.com/goceleris/celeris v1.5.8
	github.com/goceleris/celeris/middleware/compress v1.5.8
	probatorium/refapp/common v0.0.0
)

require (
	github.com/andybalholm/brotli v1.2.2 // indirect
	github.com/klauspost/compress v1.19.0 // indirect
	golang.org/x/net v0.56.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
	golang.org/x/text v0.38.0 // indirect
)

replace probatorium/refapp/common => ../common
