#!/usr/bin/env bash
# Runs the benchmarks and prints a table of them. Each of ours stands beside the direct
# connection and a tuned httputil.ReverseProxy in the same run: machines differ, ratios stay.
# usage: build/bench.sh [regexp] [count]
set -euo pipefail
cd "$(dirname "$0")/.."
. build/toolchain.sh

out=$(mktemp)
trap 'rm -f "$out"' EXIT
go test -run '^$' -bench "${1:-.}" -count "${2:-5}" -timeout 60m ./... | tee "$out" >&2
go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da "$out"
