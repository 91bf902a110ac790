package desktop

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// launch starts a program that goes on by itself, also after we end. It returns when
// the program ends or has run for a while; only an early failure is an error.
func launch(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = childEnv()
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return explain(name, err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return explain(name, err)
	case <-time.After(patience):
		return nil
	}
}

// feed runs a program with text on its standard input and waits for its end.
func feed(text, name string, args ...string) error { return await(childEnv(), text, name, args...) }

// await is feed with an environment.
func await(env []string, text, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	cmd.Stdin = strings.NewReader(text)
	cmd.WaitDelay = time.Second
	detach(cmd)
	err := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("%s does not answer", filepath.Base(name))
	}
	return explain(name, err)
}

// explain says what went wrong without the arguments, which may hold a sign-in's state.
func explain(name string, err error) error {
	var start *exec.Error
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &start):
		return fmt.Errorf("%q cannot be run: %w", name, start.Err)
	case errors.As(err, &exit):
		return fmt.Errorf("%s failed (%s)", filepath.Base(name), exit)
	}
	return fmt.Errorf("%q cannot be run: %w", name, err)
}
