package profile

import "io/fs"

func exposed(fs.FileInfo) bool { return false }

func changeable(string, fs.FileInfo) *Error { return nil }
