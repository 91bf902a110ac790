#!/usr/bin/env bash
# Runs the benchmarks and prints a table of them. Each of ours stands beside the direct
# connection and a tuned httputil.ReverseProxy in the same run, and the bridge beside a
# plain one, mcp-remote and supergateway: machines differ, ratios stay.
# usage: build/bench.sh [regexp] [count]
set -euo pipefail
cd "$(dirname "$0")/.."
. build/toolchain.sh

if command -v npm >/dev/null; then
  (cd build/bench && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
else
  echo "Without Node.js 20 or newer and npm the bridge is not compared with mcp-remote and supergateway." >&2
fi

out=$(mktemp)
trap 'rm -f "$out"' EXIT
go test -run '^$' -bench "${1:-.}" -count "${2:-5}" -timeout 60m ./... | tee "$out" >&2
go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da "$out"
