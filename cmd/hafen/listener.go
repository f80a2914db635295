package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holder is the process that listens on a port; the zero value when it cannot be told, as for an ordinary user who
// asks about another's process.
type holder struct {
	pid     int
	program string // path of the executable
}

// ownProgram is the executable we run from.
func ownProgram() string { return programOf("/proc/self") }

// programOf is the path of a process' executable, "" when it may not be known. A program replaced since by a newer
// build is still the same one.
func programOf(process string) string {
	program, err := os.Readlink(filepath.Join(process, "exe"))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(program, " (deleted)")
}

// listenerOn finds the process behind a listening TCP port: /proc/net/tcp tells the socket's inode, and the process
// that has this inode among its open files is the one (proc(5)).
func listenerOn(port int) holder {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode; state 0A is LISTEN
			fields := strings.Fields(line)
			if len(fields) > 9 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) && fields[3] == "0A" {
				sockets["socket:["+fields[9]+"]"] = true
			}
		}
	}
	handles, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, handle := range handles {
		target, err := os.Readlink(handle)
		if err != nil || !sockets[target] {
			continue
		}
		process := filepath.Dir(filepath.Dir(handle))
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			continue
		}
		return holder{pid, programOf(process)}
	}
	return holder{}
}
