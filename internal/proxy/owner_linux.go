package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Owner names the program that listens at an address, as in "nginx (pid 123)"; empty where
// this user may not see it.
func Owner(host, port string) string {
	at, err := netip.ParseAddrPort(host + ":" + port)
	if err != nil {
		at, err = netip.ParseAddrPort("[" + host + "]:" + port)
	}
	if err != nil {
		return ""
	}
	sockets := map[string]string{} // link in /proc/*/fd → uid
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, at, sockets)
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		to, err := os.Readlink(link)
		if _, ours := sockets[to]; err == nil && ours {
			pid := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return oneLine(string(bytes.TrimSpace(name))) + " (pid " + pid + ")"
		}
	}
	for _, uid := range sockets {
		if uid != strconv.Itoa(os.Geteuid()) {
			return "a program of the user with uid " + uid
		}
	}
	return ""
}

// listening adds the sockets of a table that keep others from listening at addr.
func listening(table string, at netip.AddrPort, sockets map[string]string) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	addrs := []string{tableAddr(at.Addr()), tableAddr(netip.IPv4Unspecified()), tableAddr(netip.IPv6Unspecified())}
	for rows := bufio.NewScanner(f); rows.Scan(); {
		// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …
		row := strings.Fields(rows.Text())
		if len(row) < 10 || row[3] != "0A" {
			continue
		}
		for _, addr := range addrs {
			if row[1] == fmt.Sprintf("%s:%04X", addr, at.Port()) {
				sockets["socket:["+row[9]+"]"] = row[7]
			}
		}
	}
}

// tableAddr writes an address as the kernel's tables do: words of four bytes in host
// order.
func tableAddr(a netip.Addr) string {
	text := ""
	for word := a.AsSlice(); len(word) > 0; word = word[4:] {
		text += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(word))
	}
	return text
}
