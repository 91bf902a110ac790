// Package stdio carries newline-delimited JSON-RPC over pipes: child server processes,
// and a stdio client bridged to a URL.
//
// It must not know how tokens are got or callers are judged.
package stdio
