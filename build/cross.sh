#!/usr/bin/env bash
# Every target must compile; macOS here without cgo, and so without a tray.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/toolchain.sh

for target in windows/amd64 darwin/arm64 linux/arm64 freebsd/amd64; do
  CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go vet ./...
done
