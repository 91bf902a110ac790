//go:build !race

package stdio

const huge = 64 << 20
