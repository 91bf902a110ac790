// Package clientconfig points other programs at our local ports: it edits the config
// files of MCP clients. A table says which clients there are; a plan is worked out
// from a file's bytes alone and shown as a diff; only then the file is backed up,
// replaced atomically, read again, and what became ours is remembered for undo.
//
// It must not touch a byte that is not ours, guess at a file it cannot read, or know
// what a profile or a token is.
package clientconfig
