package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// ports remembers which free port was chosen for a profile without listen, so that the
// address in a client's config stays good.
type ports struct {
	file string
	log  *slog.Logger

	mu     sync.Mutex
	chosen map[string]string // profile → address
	due    *time.Timer       // of the next save, nil while chosen is saved
}

// saveAfter gathers the choices of one start into one save.
const saveAfter = 20 * time.Millisecond

// openPorts reads the remembered ports. A file that cannot be read is an error:
// choosing anew would break every client that was pointed at the old ports.
func openPorts(stateDir string, log *slog.Logger) (*ports, error) {
	p := &ports{file: filepath.Join(stateDir, "ports.json"), log: log, chosen: map[string]string{}}
	data, err := os.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return nil, fmt.Errorf("cannot read the remembered ports: %s: %w; make it readable, or give another --state-dir", p.file, at.Err)
	}
	if err := json.Unmarshal(data, &p.chosen); err != nil {
		return nil, fmt.Errorf("cannot read the remembered ports: %s: %w; repair or delete that file", p.file, err)
	}
	return p, nil
}

// Free ports are chosen below the range that systems use for outgoing connections, so
// that none of those sits on a remembered port when the app starts again.
const (
	firstPort = 20000
	lastPort  = 29999
)

// addresses are the addresses to try for p, in order: the configured one, the
// remembered one, or some that no other profile was given.
func (p *ports) addresses(prof profile.Profile) []string {
	if prof.Listen != "" {
		return []string{prof.Listen}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if addr := p.chosen[prof.Name]; addr != "" {
		return []string{addr}
	}
	given := map[string]bool{}
	for _, addr := range p.chosen {
		given[addr] = true
	}
	var free []string
	for len(free) < 20 {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort+1))
		if !given[addr] {
			free = append(free, addr)
		}
	}
	return append(free, "127.0.0.1:0")
}

// lasting is where a profile is served at every start, empty when that is another port
// each time. It is not settled while no port was chosen.
func (p *ports) lasting(prof profile.Profile) (addr string, settled bool) {
	if prof.Listen != "" {
		return fixedAddress(prof), true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	addr = p.chosen[prof.Name]
	return addr, addr != ""
}

// fixedAddress is the configured address of a profile, empty without a port that stays.
func fixedAddress(prof profile.Profile) string {
	if _, port, err := net.SplitHostPort(prof.Listen); err != nil || port == "0" {
		return ""
	}
	return prof.Listen
}

// clientURL is what clients are told of a profile at an address that lasts.
func clientURL(addr, path string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	if host == "localhost" {
		host = "127.0.0.1" // which is what is listened on
	}
	return "http://" + net.JoinHostPort(host, port) + path
}

// remember notes the address that a profile without listen was given.
func (p *ports) remember(prof profile.Profile, addr string) {
	if prof.Listen != "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chosen[prof.Name] == addr {
		return
	}
	p.chosen[prof.Name] = addr
	if p.due == nil {
		p.due = time.AfterFunc(saveAfter, func() {
			if err := p.save(); err != nil {
				p.log.Error("the ports could not be remembered", "error", err)
			}
		})
	}
}

// save writes down what was chosen since the last time.
func (p *ports) save() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due == nil {
		return nil
	}
	p.due.Stop()
	p.due = nil
	data, err := json.MarshalIndent(p.chosen, "", "  ")
	if err != nil {
		return err
	}
	return writeAtomic(p.file, append(data, '\n'))
}
