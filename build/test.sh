#!/usr/bin/env bash
# Runs every test. On Debian and Ubuntu it installs what they need; elsewhere, and with
# --no-install, tests whose part is missing skip and say so (with CI=true they fail).
set -euo pipefail
cd "$(dirname "$0")/.."
. build/toolchain.sh

packages=(dbus gnome-keyring xvfb xfce4-panel xterm chromium)
programs=(dbus-daemon gnome-keyring-daemon Xvfb xfce4-panel xterm chromium)

missing() {
  local p
  for p in "${programs[@]}"; do command -v "$p" >/dev/null || echo "$p"; done
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
  [ -n "$(missing)" ] || return 0
  if command -v apt-get >/dev/null; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  else
    echo "Some tests need programs this machine lacks: $(missing | tr '\n' ' ')" >&2
    echo "Install them with your package manager (on Debian they are: ${packages[*]})." >&2
  fi
}

install_npm() {
  command -v npm >/dev/null || { echo "The end-to-end tests need Node.js 20 or newer and npm." >&2; return 0; }
  (cd build/e2e && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
}

if [ "${1:-}" = --no-install ]; then shift; else install_packages; install_npm; fi

go vet ./...
build/cross.sh

output=$(mktemp)
trap 'rm -f "$output"' EXIT
if ! go test -race -timeout 20m "$@" ./... 2>&1 | tee "$output"; then
  printf '\nWhat failed:\n'
  grep -E -A 3 '^ *--- FAIL|^panic: |^WARNING: DATA RACE|\[(build|setup) failed\]$' "$output" | cut -c 1-300 || true
  exit 1
fi
