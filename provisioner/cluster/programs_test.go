package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindPrograms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		installed []string // files below the root
		version   string   // of an existing data directory
		want      int
		says      string // of the error
	}{
		{"nothing", nil, "", 0, "apt-get install postgresql"},
		{"client only", []string{"17/bin/psql"}, "", 0, "apt-get install postgresql"},
		{"newest, by number", []string{"9/bin/postgres", "9/bin/initdb", "15/bin/postgres", "15/bin/initdb", "17/bin/postgres", "17/bin/initdb"}, "", 17, ""},
		{"too old", []string{"14/bin/postgres", "14/bin/initdb"}, "", 0, "too old"},
		{"the cluster's own", []string{"15/bin/postgres", "15/bin/initdb", "17/bin/postgres", "17/bin/initdb"}, "15\n", 15, ""},
		{"the cluster's own is gone", []string{"17/bin/postgres", "17/bin/initdb"}, "15\n", 0, "apt-get install postgresql-15"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root, data := t.TempDir(), t.TempDir()
			for _, name := range test.installed {
				write(t, filepath.Join(root, name), "")
			}
			if test.version != "" {
				write(t, filepath.Join(data, "PG_VERSION"), test.version)
			}
			found, err := findPrograms(root, data)
			if found.major != test.want {
				t.Errorf("found %d, want %d", found.major, test.want)
			}
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
