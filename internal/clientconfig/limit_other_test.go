//go:build !linux

package clientconfig

func limitFiles() {}
