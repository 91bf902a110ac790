package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// profilesFile is profiles.yaml while it is edited.
type profilesFile struct {
	paths
	before []byte // what is on the disk; nil: no file
	text   []byte
	schema bool              // to be written beside the first file
	beside map[string]string // secrets to be written beside it: name → value
	added  []added           // what save is going to write
	close  func()
}

// openProfiles reads profiles.yaml. Where there is none it is the one of a first start. To
// write it, other commands that would have to wait until close.
func openProfiles(c *cobra.Command, write bool) (*profilesFile, error) {
	p, err := locate(c)
	if err != nil {
		return nil, err
	}
	f := &profilesFile{paths: p, beside: map[string]string{}, close: func() {}}
	if write {
		if f.close, err = f.lock(c.Context()); err != nil {
			return nil, err
		}
	}
	f.before, err = profile.Text(p.Profiles)
	if errors.Is(err, fs.ErrNotExist) {
		f.schema = !c.Flags().Changed(flagProfiles) && os.Getenv(desktop.EnvProfiles) == ""
		schema := ""
		if f.schema {
			schema = schemaFile
		}
		f.text, f.before = profile.Starter(schema), nil
		return f, nil
	}
	if err != nil {
		f.close()
		return nil, err
	}
	f.text = f.before
	return f, nil
}

// schemaFile lies beside profiles.yaml, for editors.
const schemaFile = "profiles.schema.json"

// insert adds a profile to the text.
func (f *profilesFile) insert(name string, d profile.Draft) error {
	in, err := profile.Insert(f.Profiles, f.text, name, d)
	var wrong *profile.Error
	var whole profile.Errors
	switch {
	case errors.As(err, &whole):
		return whole
	case errors.As(err, &wrong):
		return &supervisor.Fault{Detail: wrong.Error(), Action: wrong.Hint, Err: wrong}
	case err != nil:
		return err
	}
	f.text = in.Text
	f.added = append(f.added, added{in, name})
	return nil
}

// added is a profile that the file is going to have.
type added struct {
	*profile.Insertion
	name string
}

// has reports whether there is a profile of that name.
func (f *profilesFile) has(name string) bool {
	_, err := profile.Insert(f.Profiles, f.text, name, profile.Draft{"target": "https://example.com"})
	return errors.Is(err, profile.ErrExists)
}

// hide plans to write a secret beside profiles.yaml.
func (f *profilesFile) hide(name, value string) { f.beside[name] = value }

// save writes the secrets, then the file, unless an editor changed it meanwhile.
func (f *profilesFile) save() error {
	folder := filepath.Dir(f.Profiles)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("cannot create the folder of profiles.yaml: %w", err)
	}
	sweep(f.Profiles)
	now, err := profile.Text(f.Profiles)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(now, f.before) {
		return errors.New("profiles.yaml was changed by somebody else at the same time; try again")
	}
	written, err := f.saveSecrets(folder)
	if err == nil {
		err = f.saveText(folder)
	}
	if err != nil {
		for _, file := range written {
			_ = os.Remove(file)
		}
	}
	return err
}

// saveSecrets writes the new files beside profiles.yaml and names those it wrote.
func (f *profilesFile) saveSecrets(folder string) (written []string, err error) {
	for name, value := range f.beside {
		file := filepath.Join(folder, name)
		switch there, err := leftSecret(file, value); {
		case err != nil:
			return written, err
		case there:
			continue
		}
		if err := writeNew(file, value); err != nil {
			return written, err
		}
		written = append(written, file)
	}
	return written, nil
}

func (f *profilesFile) saveText(folder string) error {
	var err error
	if f.schema {
		err = writeAtomic(filepath.Join(folder, schemaFile), profile.Schema())
	}
	if err == nil {
		err = replaceText(f.Profiles, f.text)
	}
	if err != nil {
		return fmt.Errorf("cannot write profiles.yaml: %w; nothing was changed", err)
	}
	return nil
}

// lock keeps two commands from editing at once.
func (f *profilesFile) lock(ctx context.Context) (unlock func(), err error) {
	if err := makeStateDir(f.State); err != nil {
		return nil, err
	}
	l := flock.New(filepath.Join(f.State, "edit.lock"), flock.SetPermissions(0o600))
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("cannot wait for another command that edits profiles.yaml: %w", err)
	}
	return func() { _ = l.Close() }, nil
}

// leftSecret reports that a command that was cut off, or a profile that is gone, left this
// very secret there. An empty file is nobody's secret, and is taken away.
func leftSecret(file, secret string) (there bool, err error) {
	info, err := os.Lstat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() != 0 && info.Size() != int64(len(secret)+1) {
		return false, nil // writeNew says what is wrong
	}
	if info.Size() == 0 {
		return false, os.Remove(file)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != secret+"\n" {
		return false, nil
	}
	return true, os.Chmod(file, 0o600)
}

// writeNew writes a secret into a file of its own, for its owner alone. A file that is
// there is never replaced.
func writeNew(file, secret string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &supervisor.Fault{Detail: "there is a file " + file + " already, which could be somebody's secret",
			Action: "move it away, or give the profile another name with --name", Err: err}
	}
	if err != nil {
		return fmt.Errorf("cannot write the secret: %w", err)
	}
	_, err = f.WriteString(secret + "\n")
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(file)
		return fmt.Errorf("cannot write the secret: %w", err)
	}
	return nil
}

// replaceText is writeAtomic for a person's own file: links stay links, and its
// permissions stay.
func replaceText(name string, text []byte) error {
	real, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		return writeAtomic(name, text)
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	return replaceFile(real, text, info.Mode().Perm())
}
