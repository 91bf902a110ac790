// Command gen draws every picture of package assets from icon.svg. Run it with
// go generate ./assets.
//
// It must not read anything but icon.svg.
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/fyne-io/oksvg"
	"github.com/srwiley/rasterx"
)

// cells are the pictures in icon.svg, left to right. The last is the app icon.
var cells = []string{"idle", "ok", "busy", "sign-in", "error", "app"}

var (
	pngSizes = []int{16, 22, 24, 32, 48, 64}
	icoSizes = []int{16, 20, 24, 32, 48}
)

const (
	appSize = 256
	// A tray takes one PNG and scales it to its panel: 48 pixels is twice the usual 24,
	// for screens of high density, and comes out well at 22.
	traySize = 48
)

func main() {
	if err := run("."); err != nil {
		log.Fatalf("gen: %v", err)
	}
}

// run reads dir/icon.svg and writes the pictures below dir.
func run(dir string) error {
	svg, err := os.ReadFile(filepath.Join(dir, "icon.svg"))
	if err != nil {
		return err
	}
	files, err := draw(svg)
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// draw returns every file by its slash-separated name.
func draw(svg []byte) (map[string][]byte, error) {
	sheet, err := oksvg.ReadIconStream(bytes.NewReader(svg), oksvg.StrictErrorMode)
	if err != nil {
		return nil, fmt.Errorf("icon.svg: %w", err)
	}
	files := map[string][]byte{}
	app := len(cells) - 1
	for cell, state := range cells[:app] {
		for _, size := range pngSizes {
			files[fmt.Sprintf("png/%d/%s.png", size, state)] = encodePNG(render(sheet, cell, size))
		}
		files["tray/"+state+".png"] = encodePNG(forTray(render(sheet, cell, traySize)))
		var images []*image.RGBA
		for _, size := range icoSizes {
			images = append(images, render(sheet, cell, size))
		}
		files["tray/"+state+".ico"] = encodeICO(images)
	}
	files["app.png"] = encodePNG(render(sheet, app, appSize))
	return files, nil
}

// render draws one cell of the sheet; the others fall outside the picture.
func render(sheet *oksvg.SvgIcon, cell, size int) *image.RGBA {
	sheet.SetTarget(float64(-cell*size), 0, float64(len(cells)*size), float64(size))
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	scanner := rasterx.NewScannerGV(size, size, img, img.Bounds())
	sheet.Draw(rasterx.NewDasher(size, size, scanner), 1)
	return img
}

func encodePNG(img image.Image) []byte {
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, img); err != nil {
		panic(err) // a Buffer takes everything, and no picture here is empty
	}
	return out.Bytes()
}
