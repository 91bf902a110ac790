package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
)

// The parts of a Windows icon file: ICONDIR, ICONDIRENTRY, BITMAPINFOHEADER.
type (
	iconDir struct {
		Reserved, Type, Count uint16
	}
	iconEntry struct {
		Width, Height, Colors, Reserved uint8
		Planes, BitsPerPixel            uint16
		Size, Offset                    uint32
	}
	bitmapHeader struct {
		Size                        uint32
		Width, Height               int32
		Planes, BitsPerPixel        uint16
		Compression, ImageSize      uint32
		XPerMeter, YPerMeter        int32
		ColorsUsed, ColorsImportant uint32
	}
)

// encodeICO writes square pictures of less than 256 pixels as 32-bit bitmaps, which
// every Windows reads at every size; PNG entries it does not.
func encodeICO(images []*image.RGBA) []byte {
	const dirSize, entrySize, headerSize = 6, 16, 40
	var head, body bytes.Buffer
	put := func(b *bytes.Buffer, v any) { _ = binary.Write(b, binary.LittleEndian, v) } // a Buffer takes everything
	put(&head, iconDir{Type: 1, Count: uint16(len(images))})
	for _, img := range images {
		size, start := img.Bounds().Dx(), body.Len()
		// The height covers the colours and, below them, the mask.
		put(&body, bitmapHeader{Size: headerSize, Width: int32(size), Height: int32(2 * size), Planes: 1, BitsPerPixel: 32})
		body.Write(pixels(img))
		body.Write(mask(img))
		put(&head, iconEntry{Width: uint8(size), Height: uint8(size), Planes: 1, BitsPerPixel: 32,
			Size: uint32(body.Len() - start), Offset: uint32(dirSize + entrySize*len(images) + start)})
	}
	return append(head.Bytes(), body.Bytes()...)
}

// pixels are blue, green, red and straight alpha, the bottom row first.
func pixels(img *image.RGBA) []byte {
	b := img.Bounds()
	out := make([]byte, 0, 4*b.Dx()*b.Dy())
	for y := b.Max.Y - 1; y >= b.Min.Y; y-- {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			out = append(out, c.B, c.G, c.R, c.A)
		}
	}
	return out
}

// mask has a 1 for each transparent pixel; rows fill 32 bits.
func mask(img *image.RGBA) []byte {
	b := img.Bounds()
	stride := (b.Dx() + 31) / 32 * 4
	out := make([]byte, stride*b.Dy())
	for y := range b.Dy() {
		for x := range b.Dx() {
			if _, _, _, a := img.At(b.Min.X+x, b.Max.Y-1-y).RGBA(); a == 0 {
				out[y*stride+x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return out
}
