package main

import (
	"image"
	"image/color"
)

// forTray returns img in 16 bits a channel, in a form that trays show right although
// fyne.io/systray 1.12 reads it wrong. A tray wants straight alpha in 8 bits; that
// library hands it the low byte of each channel's premultiplied 16 bits, which makes
// noise of every pixel that is partly transparent. So the low bytes are chosen to be what
// the tray wants, which moves a colour by half a step of 8 bits at most.
func forTray(img *image.RGBA) *image.NRGBA64 {
	out := image.NewNRGBA64(img.Bounds())
	for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
		for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			if c.A == 0 {
				continue
			}
			alpha := uint32(c.A) * 0x101
			out.SetNRGBA64(x, y, color.NRGBA64{
				R: channel(c.R, alpha), G: channel(c.G, alpha), B: channel(c.B, alpha), A: uint16(alpha)})
		}
	}
	return out
}

// channel returns the 16-bit straight value which, multiplied by alpha, is as near to
// v as it can be with a low byte of v.
func channel(v uint8, alpha uint32) uint16 {
	exact := uint32(v) * 0x101 * alpha / 0xffff
	near := (exact+0x80-min(exact, uint32(v)))/0x100*0x100 + uint32(v)
	for near > alpha {
		near -= 0x100
	}
	return uint16((near*0xffff + alpha - 1) / alpha)
}
