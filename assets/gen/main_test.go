package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/fyne-io/oksvg"
)

func readSheet(t *testing.T) *oksvg.SvgIcon {
	t.Helper()
	sheet, err := oksvg.ReadIcon("../icon.svg", oksvg.StrictErrorMode)
	if err != nil {
		t.Fatal(err)
	}
	return sheet
}

// The committed pictures are what icon.svg says, and there are no others.
func TestPicturesAreCurrent(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the pictures were drawn on amd64; other processors round otherwise")
	}
	svg, err := os.ReadFile("../icon.svg")
	if err != nil {
		t.Fatal(err)
	}
	files, err := draw(svg)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Errorf("%v (run: go generate ./assets)", err)
			continue
		}
		if !samePictures(t, name, got, want) {
			t.Errorf("%s is not what icon.svg says (run: go generate ./assets)", name)
		}
	}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel("..", path)
		name = filepath.ToSlash(name)
		ext := filepath.Ext(name)
		if _, ok := files[name]; (ext == ".png" || ext == ".ico") && !ok {
			t.Errorf("%s is not drawn from icon.svg", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// samePictures compares what is seen: compression may differ between Go versions.
func samePictures(t *testing.T, name string, got, want []byte) bool {
	if filepath.Ext(name) == ".ico" {
		return bytes.Equal(got, want)
	}
	return reflect.DeepEqual(decode(t, got), decode(t, want))
}

func decode(t *testing.T, content []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// States are told apart without colour: by the whole shape, and by its outline alone.
func TestShapesDiffer(t *testing.T) {
	sheet := readSheet(t)
	const size = 22
	var shapes, outlines [][]bool
	for cell := range cells[:len(cells)-1] {
		shape := opaque(render(sheet, cell, size))
		shapes = append(shapes, shape)
		outlines = append(outlines, filled(shape, size))
	}
	for a := range shapes {
		for b := range a {
			if n := differing(shapes[a], shapes[b]); n < size*size/10 {
				t.Errorf("%s and %s differ in only %d of %d pixels", cells[a], cells[b], n, size*size)
			}
			// idle and ok share the disc and differ in what is inside.
			if n := differing(outlines[a], outlines[b]); n < size*size/10 && cells[b] != "idle" {
				t.Errorf("the outlines of %s and %s differ in only %d of %d pixels", cells[a], cells[b], n, size*size)
			}
		}
	}
}

func opaque(img *image.RGBA) []bool {
	out := make([]bool, 0, len(img.Pix)/4)
	for i := 3; i < len(img.Pix); i += 4 {
		out = append(out, img.Pix[i] >= 128)
	}
	return out
}

// filled closes the holes of a shape, row by row.
func filled(shape []bool, size int) []bool {
	out := make([]bool, len(shape))
	for y := range size {
		first, last := -1, -1
		for x := range size {
			if shape[y*size+x] {
				if first < 0 {
					first = x
				}
				last = x
			}
		}
		for x := first; first >= 0 && x <= last; x++ {
			out[y*size+x] = true
		}
	}
	return out
}

func differing(a, b []bool) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// Every state keeps a contrast of 2.5 to 1 or better on a white and on a dark panel.
func TestContrast(t *testing.T) {
	sheet := readSheet(t)
	for cell, state := range cells[:len(cells)-1] {
		ink := luminance(brightestOpaque(render(sheet, cell, 64)))
		for panel, lum := range map[string]float64{"white": 1, "dark": luminance(color.RGBA{0x24, 0x24, 0x28, 255})} {
			hi, lo := max(ink, lum), min(ink, lum)
			if ratio := (hi + 0.05) / (lo + 0.05); ratio < 2.5 {
				t.Errorf("%s on a %s panel has a contrast of %.1f", state, panel, ratio)
			}
		}
	}
}

func brightestOpaque(img *image.RGBA) (best color.RGBA) {
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			if c := img.RGBAAt(x, y); c.A == 255 && luminance(c) >= luminance(best) {
				best = c
			}
		}
	}
	return best
}

// luminance is the relative luminance of WCAG 2, with its curve taken as a square.
func luminance(c color.RGBA) float64 {
	part := func(v uint8) float64 { f := float64(v) / 255; return f * f }
	return 0.2126*part(c.R) + 0.7152*part(c.G) + 0.0722*part(c.B)
}

func TestICO(t *testing.T) {
	sheet := readSheet(t)
	var images []*image.RGBA
	for _, size := range icoSizes {
		images = append(images, render(sheet, 1, size))
	}
	ico := encodeICO(images)
	var dir iconDir
	r := bytes.NewReader(ico)
	if err := binary.Read(r, binary.LittleEndian, &dir); err != nil {
		t.Fatal(err)
	}
	if dir.Type != 1 || int(dir.Count) != len(icoSizes) {
		t.Fatalf("header %+v", dir)
	}
	end := 6 + 16*len(icoSizes)
	for _, size := range icoSizes {
		var e iconEntry
		if err := binary.Read(r, binary.LittleEndian, &e); err != nil {
			t.Fatal(err)
		}
		var h bitmapHeader
		if err := binary.Read(bytes.NewReader(ico[e.Offset:]), binary.LittleEndian, &h); err != nil {
			t.Fatal(err)
		}
		maskSize := (size + 31) / 32 * 4 * size
		if int(e.Width) != size || int(h.Width) != size || int(h.Height) != 2*size ||
			int(e.Offset) != end || int(e.Size) != 40+4*size*size+maskSize {
			t.Errorf("size %d: entry %+v header %+v", size, e, h)
		}
		end = int(e.Offset + e.Size)
	}
	if end != len(ico) {
		t.Errorf("%d bytes, entries end at %d", len(ico), end)
	}
}

// What the library makes of a picture for the tray is the picture in straight alpha,
// and whoever reads it rightly sees no difference.
func TestForTray(t *testing.T) {
	sheet := readSheet(t)
	for cell, state := range cells[:len(cells)-1] {
		img := render(sheet, cell, traySize)
		shown := forTray(img)
		for y := range traySize {
			for x := range traySize {
				want := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
				r, g, b, a := shown.At(x, y).RGBA()
				if got := (color.NRGBA{byte(r), byte(g), byte(b), byte(a)}); got != want {
					t.Fatalf("%s at %d,%d: the tray gets %v, want %v", state, x, y, got, want)
				}
				seen, drawn := []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)}, img.Pix[img.PixOffset(x, y):]
				if slices.ContainsFunc([]int{0, 1, 2}, func(i int) bool { return max(seen[i], drawn[i])-min(seen[i], drawn[i]) > 1 }) {
					t.Fatalf("%s at %d,%d: %v became %v", state, x, y, want, shown.At(x, y))
				}
			}
		}
	}
}
