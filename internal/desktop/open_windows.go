package desktop

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/windows"
)

func openURL(address string) error {
	if err := shellExecute(address, ""); err != nil {
		return fmt.Errorf("the browser did not open: %w; set BROWSER to a command that opens it", err)
	}
	return nil
}

// openFile falls back to Notepad: nothing is registered for YAML by itself.
func openFile(path string) error {
	err := shellExecute(path, "")
	if err != nil {
		err = shellExecute("notepad.exe", `"`+path+`"`) // a path holds no quote
	}
	if err != nil {
		return fmt.Errorf("%w; open %s yourself", err, path)
	}
	return nil
}

// shellExecute opens file on a thread of its own: the call may wait for another
// program, and wants a COM apartment.
func shellExecute(file, args string) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if windows.CoInitializeEx(0, windows.COINIT_APARTMENTTHREADED|windows.COINIT_DISABLE_OLE1DDE) == nil {
			defer windows.CoUninitialize()
		}
		done <- shellExecuteHere(file, args)
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return nil
	}
}

func shellExecuteHere(file, args string) error {
	verb, _ := windows.UTF16PtrFromString("open")
	name, err := windows.UTF16PtrFromString(file)
	if err != nil {
		return errors.New("the name holds a zero byte")
	}
	var argument *uint16
	if args != "" {
		if argument, err = windows.UTF16PtrFromString(args); err != nil {
			return errors.New("the name holds a zero byte")
		}
	}
	return windows.ShellExecute(0, verb, name, argument, nil, windows.SW_SHOWNORMAL)
}
