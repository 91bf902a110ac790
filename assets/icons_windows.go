package assets

import "embed"

const suffix = ".ico"

//go:embed tray/*.ico
var icons embed.FS
