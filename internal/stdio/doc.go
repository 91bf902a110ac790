// Package stdio carries newline-delimited JSON-RPC over pipes: a stdio client bridged to
// the Streamable HTTP (or older HTTP+SSE) server behind a local port. Messages pass as
// they were written; while that server cannot be used, the bridge answers for it, so
// that a client keeps it.
//
// It must not know how tokens are got or callers are judged, nor where the app is found.
package stdio
