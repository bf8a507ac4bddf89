module probatorium/refapp/common

go 1.26.4

require github.com/goceleris/celeris v1.5.8
