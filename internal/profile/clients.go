package profile

import (
	"reflect"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Clients are the ids of the MCP clients whose config files the app can write. They are
// words of profiles.yaml, so that editors know them too.
var Clients = []string{
	"claude-desktop", "claude-code", "cursor", "vscode", "vscode-insiders", "codex", "gemini-cli", "windsurf", "zed", "cline",
	"lm-studio", "opencode", "kiro", "copilot-cli", "antigravity", "continue", "goose", "qwen-code", "crush", "amp",
	"factory-droid", "jetbrains-ai-assistant", "junie",
}

// ClientsByHand are the ids of those that a person has to tell about a profile.
var ClientsByHand = []string{
	"windsurf-jetbrains", "kilo-code", "visual-studio", "warp", "trae", "roo-code", "amazon-q", "copilot-jetbrains",
	"mistral-vibe", "kimi-code", "grok-build", "augment", "rovo-dev", "qoder", "jan", "witsy", "boltai", "librechat",
	"raycast", "cherry-studio",
}

// client is one of Clients.
type client struct{}

func (client) decode(w *walker, n *yaml.Node, v reflect.Value, _ *found) bool {
	s, ok := str(w, n, "the id of a client such as claude-desktop")
	switch {
	case !ok:
	case slices.Contains(Clients, s):
		v.SetString(s)
		return true
	case slices.Contains(ClientsByHand, s):
		w.fail(n, "has %s, whose config cannot be written (see mcpauth-tray clients snippet %s)", s, s)
	default:
		hint := "mcpauth-tray clients list shows the known ones"
		if near := nearest(s, slices.Concat(Clients, ClientsByHand)); near != "" {
			hint = "did you mean " + strconv.Quote(near) + "?"
		}
		if harmless.MatchString(s) {
			s = " " + strconv.Quote(s)
		} else {
			s = ""
		}
		w.fail(n, "has an unknown client%s (%s)", s, hint)
	}
	return false
}

func (client) schema() schema { return schema{"enum": Clients} }
