package assets

import (
	"bytes"
	"image/png"
	"testing"
)

func TestIcon(t *testing.T) {
	seen := map[string]string{}
	for _, state := range []string{"idle", "ok", "busy", "sign-in", "error"} {
		icon := string(Icon(state))
		if icon == "" {
			t.Errorf("no icon for %s", state)
		}
		if other, ok := seen[icon]; ok {
			t.Errorf("%s and %s look the same", state, other)
		}
		seen[icon] = state
	}
	if Icon("no-such-state") != nil || Icon("../png/48/ok") != nil {
		t.Error("an unknown state has an icon")
	}
	app, err := png.DecodeConfig(bytes.NewReader(App))
	if err != nil || app.Width != 256 || app.Height != 256 {
		t.Errorf("app icon: %+v, %v", app, err)
	}
}
