module probatorium/refapp/driver_redis

go 1.26.4

require (
	github.com/goceleris/celeris v1.5.8
	probatorium/refapp/common v0.0.0
)

require (
	golang.org/x/net v0.56.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
	golang.org/x/text v0.38.0 // indirect
)

replace probatorium/refapp/common => ../common
