#!/usr/bin/env bash
# Every target must compile; macOS here without cgo, and so without a tray.
# With --vet the tests of each target are compiled and vetted too, which takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/toolchain.sh

check=build
if [ "${1:-}" = --vet ]; then check=vet; fi
for target in windows/amd64 darwin/arm64 linux/arm64 freebsd/amd64; do
  CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go "$check" ./...
done
