//go:build race

package main

// huge is the size of a message that a listener refuses: the race detector makes a large
// one take very long.
const huge = 17 << 20
