//go:build race

package stdio

// huge is the size of a large answer: the race detector makes a big one take very long.
const huge = 3 << 20
