# Sourced by the scripts here: picks the toolchain that go.mod pins, whatever the machine is set to.
GOTOOLCHAIN=$(awk '$1 == "toolchain" { print $2 }' go.mod)
export GOTOOLCHAIN GOFLAGS=-mod=readonly
