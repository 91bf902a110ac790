package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/stdio"
)

// upWithin is how long an app that was started may take to be there.
const upWithin = 30 * time.Second

// appStart is a bridge's one try to have the app started.
type appStart struct {
	run   func() error // nil: nobody asked for it
	said  io.Writer    // hears why nothing was started
	ended chan bool

	mu    sync.Mutex
	begun time.Time
	err   error
}

// newAppStart starts something only when the person has asked for that.
func newAppStart(c *cobra.Command) (*appStart, error) {
	s := &appStart{said: c.ErrOrStderr(), ended: make(chan bool, 1)}
	asked, err := c.Flags().GetBool(flagStartApp)
	if err != nil {
		return nil, err
	}
	if !asked && !switchedOn(os.Getenv(envStartApp)) {
		return s, nil
	}
	folders, err := bridgeFolders(c)
	if err != nil {
		return nil, err
	}
	s.run = func() error {
		if !usualState(paths{Folders: folders}) {
			return errors.New("that is possible with the usual state directory only")
		}
		exe, err := ownProgram()
		if err != nil {
			return err
		}
		return desktop.StartApp(exe)
	}
	return s, nil
}

// begin makes the try and does not wait for it; ended hears when it is over.
func (s *appStart) begin() {
	if s == nil || s.run == nil {
		return
	}
	s.mu.Lock()
	s.begun = time.Now()
	s.mu.Unlock()
	go func() {
		err := s.run()
		if err != nil {
			fmt.Fprintln(s.said, printable("mcpauth-tray is not running and could not be started: "+err.Error()))
		}
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		s.ended <- true
	}()
}

// over hears when the try has ended; nobody asked for one: never.
func (s *appStart) over() <-chan bool {
	if s == nil {
		return nil
	}
	return s.ended
}

// explain puts into what is said of an absent app what became of the try.
func (s *appStart) explain(e stdio.Endpoint) stdio.Endpoint {
	if s == nil {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		e.Says += " and could not be started: " + printable(s.err.Error())
	case !s.begun.IsZero() && time.Since(s.begun) < upWithin:
		e.Action = "It is being started"
	}
	return e
}
