package clientconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// system is whose paths and variables count.
type system struct {
	goos   string
	getenv func(string) string
}

// variable is ${NAME} or ${NAME:-~/else}.
var variable = lazily(`\$\{([A-Z_]+)(:-([^}]*))?\}`)

// expand turns a template of the table into a path of the system. It returns "" when a
// variable that it needs is not set to an absolute path; pinned says that a variable
// without an alternative was used.
func (s system) expand(template string) (path string, pinned bool) {
	missing := false
	path = variable().ReplaceAllStringFunc(template, func(match string) string {
		parts := variable().FindStringSubmatch(match)
		value := s.getenv(parts[1])
		switch {
		case s.absolute(value):
			pinned = pinned || parts[2] == ""
			return value
		case parts[2] != "":
			return parts[3]
		}
		missing = true
		return ""
	})
	if rest, ok := strings.CutPrefix(path, "~"); ok {
		home := s.home()
		missing = missing || home == ""
		path = home + rest
	}
	if missing {
		return "", false
	}
	if s.goos == "windows" {
		path = strings.ReplaceAll(path, "/", `\`)
	}
	return path, pinned
}

func (s system) home() string {
	name := "HOME"
	if s.goos == "windows" {
		name = "USERPROFILE"
	}
	if home := s.getenv(name); s.absolute(home) {
		return home
	}
	return ""
}

func (s system) absolute(path string) bool {
	if s.goos == "windows" {
		return len(path) > 2 && path[1] == ':' && (path[2] == '\\' || path[2] == '/') || strings.HasPrefix(path, `\\`)
	}
	return strings.HasPrefix(path, "/")
}

// files are the config files of c that are to be written, and an error when that
// cannot be told. Mostly it is one, which need not exist.
func (s system) files(c *Client) ([]string, error) {
	files, err := s.main(c)
	if err != nil {
		return nil, err
	}
	return append(files, s.more(c)...), nil
}

// main are those files without more.
func (s system) main(c *Client) ([]string, error) {
	var candidates []string
	for _, template := range c.Files.on(s.goos) {
		template, onlyThere := strings.CutPrefix(template, "?")
		path, pinned := s.expand(template)
		switch {
		case path == "", onlyThere && !exists(path):
			continue
		case pinned:
			return []string{path}, nil
		case strings.Contains(path, "*"):
			found, err := packaged(c, path)
			if err != nil {
				return nil, err
			}
			if found != "" {
				return []string{found}, nil
			}
		default:
			candidates = append(candidates, path)
		}
	}
	if len(candidates) == 0 {
		return nil, &Error{Summary: "no place is known for the config of " + c.Name + " on this system",
			Hint: "see that the home folder's variable is set", Err: ErrUnreadable}
	}
	if c.Every {
		if list := keep(candidates, func(p string) bool { return exists(filepath.Dir(p)) }); len(list) > 0 {
			return list, nil
		}
	}
	if list := keep(candidates, exists); len(list) > 0 {
		return list[:1], nil
	}
	return candidates[:1], nil
}

// more are files that are written where they exist.
func (s system) more(c *Client) (files []string) {
	for _, template := range c.Also.on(s.goos) {
		path, pinned := s.expand(template)
		files = append(files, keep(matching(path), exists)...)
		if pinned {
			break
		}
	}
	return files
}

// packaged finds the one file that belongs to an installed package, whose folder has a
// part of its name that is not known beforehand. Without a package it returns "".
func packaged(c *Client, pattern string) (string, error) {
	files := matching(pattern)
	if len(files) > 1 {
		if with := keep(files, exists); len(with) > 0 {
			files = with
		}
	}
	switch len(files) {
	case 0:
		return "", nil
	case 1:
		return files[0], nil
	}
	return "", &Error{Summary: fmt.Sprintf("%s is installed %d times: %s", c.Name, len(files), strings.Join(files, ", ")),
		Hint: "paste what mcpauth-tray clients snippet " + c.ID + " PROFILE prints into the right one", Err: ErrUnreadable}
}

// matching lists the paths that a path with one * stands for. The folder with the * in
// its name exists in each, what is below it need not.
func matching(pattern string) []string {
	before, after, _ := strings.Cut(pattern, "*")
	parent, prefix := filepath.Split(before)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			paths = append(paths, filepath.Join(parent, e.Name(), after))
		}
	}
	return paths
}

// installed looks for traces of c, by stat alone: reading another program's data can
// make a system ask the person.
func (s system) installed(c *Client) bool {
	for _, template := range c.Detect.on(s.goos) {
		path, _ := s.expand(template)
		if exists(path) || strings.Contains(path, "*") && len(matching(path)) > 0 {
			return true
		}
	}
	for _, program := range c.Detect.On {
		if s.onPath(program) {
			return true
		}
	}
	return false
}

func (s system) onPath(program string) bool {
	endings := []string{""}
	if s.goos == "windows" {
		endings = []string{".exe", ".cmd", ".bat"}
	}
	for _, dir := range filepath.SplitList(s.getenv("PATH")) {
		for _, ending := range endings {
			info, err := os.Stat(filepath.Join(dir, program+ending))
			if err == nil && info.Mode().IsRegular() && (s.goos == "windows" || info.Mode()&0o111 != 0) {
				return true
			}
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func keep(paths []string, test func(string) bool) []string {
	var kept []string
	for _, p := range paths {
		if test(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// missingFolders lists the folders above a file that do not exist, outermost first.
func missingFolders(file string) []string {
	var missing []string
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || !os.IsNotExist(err) || dir == filepath.Dir(dir) {
			break
		}
		missing = append([]string{dir}, missing...)
	}
	return missing
}
