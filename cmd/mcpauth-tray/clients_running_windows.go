package main

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// clientRunning reports that a client is running which overwrites its config while it
// does. The command line client of the same maker is claude.exe too: the folder tells
// them apart.
func clientRunning(id string) bool {
	if id != "claude-desktop" {
		return false
	}
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return false
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		if !strings.EqualFold(windows.UTF16ToString(entry.ExeFile[:]), "claude.exe") {
			continue
		}
		path := strings.ToLower(programOf(entry.ProcessID))
		if strings.Contains(path, `\windowsapps\claude_`) || strings.Contains(path, `\anthropicclaude\`) {
			return true
		}
	}
	return false
}

// programOf is the path of a process's program, empty when that may not be known.
func programOf(pid uint32) string {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(process)
	var path [windows.MAX_LONG_PATH]uint16
	size := uint32(len(path))
	if windows.QueryFullProcessImageName(process, 0, &path[0], &size) != nil {
		return ""
	}
	return windows.UTF16ToString(path[:size])
}
