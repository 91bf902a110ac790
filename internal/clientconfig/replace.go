package clientconfig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// replace puts the new content in the place of the old, provided that it still is the
// old. written says that it came to that, even if there is an error.
func (e *Editor) replace(p *Plan) (written bool, err error) {
	if err := e.clear(p); err != nil {
		return false, err
	}
	if p.gone {
		return e.deleteFile(p)
	}
	target := p.before.real
	if !p.before.exists() {
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return false, notWritten(p, "the folder cannot be made", err)
		}
		e.step("folders made")
	}
	temp, err := e.writeBeside(target, p)
	if err != nil {
		return false, notWritten(p, "nothing can be written in its folder", err)
	}
	if err := unchanged(p); err != nil {
		return false, errors.Join(err, os.Remove(temp))
	}
	e.step("checked")
	if written, err := e.install(temp, target, p); err != nil {
		return written, err
	}
	if err := syncFolder(filepath.Dir(target)); err != nil {
		return true, fmt.Errorf("%s was written, but may not last: %w", p.File, err)
	}
	if data, err := os.ReadFile(target); err != nil || hash(data) != p.sumAfter() {
		return true, &Error{Summary: p.File + " was written again by another program at once, which may have taken our entry out",
			Hint: "mcpauth-tray clients list shows what is there now", Err: err}
	}
	return true, nil
}

// notWritten is the failure to get to the file itself.
func notWritten(p *Plan, what string, err error) error {
	return &Error{Summary: fmt.Sprintf("%s was left as it is: %s: %v", p.File, what, err),
		Hint: "see that the folder can be written and the disk is not full", Err: err}
}

// install gives temp the name of the target. Where the system can exchange the two, and
// the target turns out to have been changed in the last moment, they are exchanged back.
func (e *Editor) install(temp, target string, p *Plan) (written bool, err error) {
	if !p.before.exists() {
		if err = create(temp, target); err == nil {
			e.step("exchanged")
			return true, nil
		}
		os.Remove(temp)
		if errors.Is(err, os.ErrExist) {
			return false, changed(p.File)
		}
		return false, notWritten(p, "the new file cannot get its name", err)
	}
	swapped, err := exchange(temp, target)
	if err != nil {
		os.Remove(temp)
		return false, notWritten(p, "it cannot be replaced", err)
	}
	e.step("exchanged")
	if !swapped {
		return true, nil
	}
	for ours := p.sumAfter(); ; {
		displaced, err := os.ReadFile(temp)
		switch sum := hash(displaced); {
		case err != nil:
			return true, fmt.Errorf("%s was written, but what it had before cannot be looked at in %s: %w", p.File, temp, err)
		case sum == p.before.sum():
			return true, os.Remove(temp)
		case sum == ours:
			return false, errors.Join(changed(p.File), os.Remove(temp))
		}
		if _, err := exchange(temp, target); err != nil {
			return true, fmt.Errorf("%s was changed in the last moment, and what it had is in %s: %w", p.File, temp, err)
		}
	}
}

// writeBeside writes the new content to a file in the folder of the old one, under a
// name that no client takes for a config.
func (e *Editor) writeBeside(target string, p *Plan) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(target), besides(target)+"*.tmp") // 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(f.Name())
		}
	}()
	e.step("created")
	if _, err = f.Write(p.after); err != nil {
		return "", err
	}
	e.step("written")
	if p.before.exists() {
		if err = likeness(f, target, p.before.info); err != nil {
			return "", err
		}
		e.step("alike")
	}
	if err = f.Sync(); err != nil {
		return "", err
	}
	e.step("synced")
	return f.Name(), nil
}

// besides is what names beside a target begin with.
func besides(target string) string { return ".mcpauth-tray-" + hash(filepath.Base(target))[:12] + "-" }

// clear removes what a write left that was cut off. That may be what another program
// wrote in that very moment: it is kept among our backups.
func (e *Editor) clear(p *Plan) error {
	known := map[string]bool{p.before.sum(): true}
	steps := p.rec.Steps
	if p.cut != nil {
		steps = append(slices.Clone(steps), *p.cut)
	}
	for _, s := range steps {
		known[s.Before], known[s.After] = true, true
	}
	dir := filepath.Dir(p.before.real)
	for _, name := range leftovers(dir, besides(p.before.real)) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || known[hash(data)] {
			continue
		}
		if doc, err := parse(p.Client, data); err != nil || doc.empty() {
			continue // a part of what was to be written
		}
		sum := hash(data)
		if err := e.saveBackup(sum, data); err != nil {
			return noBackup(p, err)
		}
		p.rec.Found = append(p.rec.Found, sum)
		p.Notes = append(p.Notes, fmt.Sprintf("a write to %s was cut off while another program wrote to it; what that wrote is kept in %s", p.File, e.backup(sum)))
	}
	sweep(dir, besides(p.before.real))
	return nil
}

// leftovers are the files of a folder whose names begin so.
func leftovers(dir, prefix string) []string {
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			names = append(names, entry.Name())
		}
	}
	return names
}

// sweep removes those.
func sweep(dir, prefix string) {
	for _, name := range leftovers(dir, prefix) {
		os.Remove(filepath.Join(dir, name))
	}
}

func unchanged(p *Plan) error {
	now, err := readFile(p.File)
	if err != nil {
		return err
	}
	if now.sum() != p.before.sum() || now.real != p.before.real {
		return changed(p.File)
	}
	return nil
}

// deleteFile removes a file that is ours. It is put aside first, and back when it turns
// out to have been changed in the last moment.
func (e *Editor) deleteFile(p *Plan) (written bool, err error) {
	if err := unchanged(p); err != nil {
		return false, err
	}
	e.step("checked")
	target := p.before.real
	aside := filepath.Join(filepath.Dir(target), besides(target)+"gone.tmp")
	if err := create(target, aside); err != nil {
		return false, notWritten(p, "it is ours and empty now, but cannot be deleted", err)
	}
	e.step("exchanged")
	if data, err := os.ReadFile(aside); err != nil || hash(data) != p.before.sum() {
		return false, errors.Join(changed(p.File), create(aside, target))
	}
	return true, errors.Join(os.Remove(aside), syncFolder(filepath.Dir(target)))
}
