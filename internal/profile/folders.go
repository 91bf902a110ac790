package profile

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks is how many links a path may lead through, as in Linux.
const maxLinks = 40

// folders lists the folders in which a change can change which file a path leads to:
// that of the file itself, that of every link on the way there, and where the path
// ends too early, the last folder that exists. file is absolute.
func folders(file string) []string {
	var list []string
	add := func(folder string) {
		if !slices.Contains(list, folder) {
			list = append(list, folder)
		}
	}
	here, rest := split(file)
	for links := 0; len(rest) > 0; {
		if rest[0] == ".." {
			here, rest = filepath.Dir(here), rest[1:]
			continue
		}
		next := filepath.Join(here, rest[0])
		info, err := os.Lstat(next)
		if err == nil && info.IsDir() && len(rest) > 1 {
			here, rest = next, rest[1:]
			continue
		}
		add(here)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			break
		}
		to, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			break
		}
		rest = rest[1:]
		if filepath.IsAbs(to) {
			root, steps := split(to)
			here, rest = root, append(steps, rest...)
		} else {
			rest = append(steps(to), rest...)
		}
	}
	return list
}

// split parts an absolute path into its root and the steps from there.
func split(path string) (root string, parts []string) {
	root = filepath.VolumeName(path) + string(filepath.Separator)
	return root, steps(strings.TrimPrefix(path, filepath.VolumeName(path)))
}

// steps parts a path, which is not cleaned: after a link .. is another folder.
func steps(path string) []string {
	return slices.DeleteFunc(strings.Split(filepath.ToSlash(path), "/"), func(step string) bool {
		return step == "" || step == "."
	})
}
