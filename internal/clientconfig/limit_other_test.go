//go:build !linux

package clientconfig

func limitProcess() {}
