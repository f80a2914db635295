package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// installed is where Debian and Ubuntu put the server programs, one directory for each major version.
const installed = "/usr/lib/postgresql"

// oldest is the first version whose public schema is closed to ordinary roles.
const oldest = 15

// programs is one major version's directory of executables.
type programs struct {
	dir   string
	major int
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }

// Installed returns the server version that would run the cluster in dataDir, which need not exist yet, and the
// directory of its programs.
func Installed(dataDir string) (major int, dir string, err error) {
	found, err := findPrograms(installed, dataDir)
	return found.major, found.dir, err
}

// findPrograms picks the version that made the data directory, because a newer one cannot read it, and the newest
// for a cluster that is still to be made.
func findPrograms(root, dataDir string) (programs, error) {
	wanted, err := madeBy(dataDir)
	if err != nil {
		return programs{}, err
	}
	var newest programs
	matches, err := filepath.Glob(filepath.Join(root, "*", "bin", "postgres"))
	if err != nil {
		return programs{}, fmt.Errorf("look for PostgreSQL in %s: %w", root, err)
	}
	for _, match := range matches {
		dir := filepath.Dir(match)
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		// postgresql-client packages leave a bin directory without initdb.
		if err != nil || !exists(filepath.Join(dir, "initdb")) {
			continue
		}
		if major == wanted {
			return programs{dir, major}, nil
		}
		if major > newest.major {
			newest = programs{dir, major}
		}
	}
	switch {
	case wanted != 0:
		return programs{}, fmt.Errorf("data directory %s was made by PostgreSQL %d: %w in that version; mend it with: apt-get install postgresql-%d",
			dataDir, wanted, ErrNotInstalled, wanted)
	case newest.major == 0:
		return programs{}, fmt.Errorf("%w (no %s/*/bin/postgres); mend it with: apt-get install postgresql", ErrNotInstalled, root)
	case newest.major < oldest:
		return programs{}, fmt.Errorf("PostgreSQL %d is too old, Hafen needs %d or newer: %w", newest.major, oldest, ErrNotInstalled)
	}
	return newest, nil
}

// madeBy reads the major version of a data directory; 0 when there is none yet.
func madeBy(dataDir string) (int, error) {
	if dataDir == "" {
		return 0, nil
	}
	text, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the PostgreSQL data directory: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read the version of the PostgreSQL data directory %s: %w", dataDir, err)
	}
	return major, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
