//go:build !race

package main

const huge = 64 << 20
