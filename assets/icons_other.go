//go:build !windows

package assets

import "embed"

const suffix = ".png"

//go:embed tray/*.png
var icons embed.FS
