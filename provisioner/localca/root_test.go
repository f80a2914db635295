package localca_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/provisioner/localca"
)

// Set for this test binary to play another process that opens the directory it names.
const childDir = "HAFEN_TEST_LOCALCA_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		ca, err := localca.Open(dir)
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Stdout.Write(ca.RootPEM())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(ctx context.Context, t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	return cmd
}

func TestTheRootIsKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	first, second := open(t, dir), open(t, dir)
	if !bytes.Equal(first.RootPEM(), second.RootPEM()) {
		t.Fatal("another root after opening again")
	}
	for name, mode := range map[string]os.FileMode{"root.key": 0o600, "root.crt": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	published, err := os.ReadFile(filepath.Join(dir, "root.crt"))
	if err != nil || bytes.Contains(published, []byte("PRIVATE")) || !bytes.Equal(published, first.RootPEM()) {
		t.Errorf("root.crt must be the certificate alone: %v", err)
	}
}

func TestProcessesThatStartTogetherHaveOneRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var (
		wg    sync.WaitGroup
		roots [8][]byte
	)
	for i := range roots {
		wg.Go(func() {
			cmd := child(t.Context(), t, dir)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%v: %s", err, stderr.String())
			}
			roots[i] = out
		})
	}
	wg.Wait()
	for _, root := range roots {
		if len(root) == 0 || !bytes.Equal(root, roots[0]) {
			t.Fatal("the processes have different roots")
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".root*")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// Wherever the kill falls, opening again works, and a root that any process has seen stays the root.
func TestKilledWhileMakingTheRoot(t *testing.T) {
	t.Parallel()
	for i := range 25 {
		dir := t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*400*time.Microsecond)
		out, err := child(ctx, t, dir).Output()
		cancel()
		var killed *exec.ExitError
		if err != nil && !errors.As(err, &killed) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		ca := open(t, dir)
		if len(out) > 0 && !bytes.Equal(out, ca.RootPEM()) {
			t.Fatal("the root changed after a kill")
		}
	}
}

// The one state between the two files, made by hand since a kill seldom meets it.
func TestAMissingCopyIsRestored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := open(t, dir)
	if err := os.Remove(filepath.Join(dir, "root.crt")); err != nil {
		t.Fatal(err)
	}
	if after := open(t, dir); !bytes.Equal(before.RootPEM(), after.RootPEM()) {
		t.Fatal("a new root was made")
	}
	if _, err := os.Stat(filepath.Join(dir, "root.crt")); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsToldAndNeverReplaced(t *testing.T) {
	t.Parallel()
	other := t.TempDir()
	open(t, other)
	read := func(dir, name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func(dir, name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		damage func(dir string)
		says   string
	}{
		{"key gone", func(dir string) { _ = os.Remove(filepath.Join(dir, "root.key")) }, "root.key is gone"},
		{"key empty", func(dir string) { write(dir, "root.key", nil) }, "root.key is damaged"},
		{"key cut short", func(dir string) { write(dir, "root.key", read(dir, "root.key")[:150]) }, "root.key is damaged"},
		{"another certificate behind the key", func(dir string) {
			key, _, _ := bytes.Cut(read(dir, "root.key"), []byte("-----BEGIN CERTIFICATE"))
			write(dir, "root.key", append(bytes.Clone(key), read(other, "root.crt")...))
		}, "do not belong together"},
		{"another certificate handed out", func(dir string) { write(dir, "root.crt", read(other, "root.crt")) }, "root.crt is not the certificate in root.key"},
		{"certificate empty", func(dir string) { write(dir, "root.crt", nil) }, "root.crt is not the certificate in root.key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			open(t, dir)
			c.damage(dir)
			keyBefore, _ := os.ReadFile(filepath.Join(dir, "root.key"))
			certBefore, _ := os.ReadFile(filepath.Join(dir, "root.crt"))
			_, err := localca.Open(dir)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want it to say %q", err, c.says)
			}
			if strings.Contains(err.Error(), "PRIVATE") {
				t.Fatal("the error quotes the key")
			}
			keyAfter, _ := os.ReadFile(filepath.Join(dir, "root.key"))
			certAfter, _ := os.ReadFile(filepath.Join(dir, "root.crt"))
			if !bytes.Equal(keyBefore, keyAfter) || !bytes.Equal(certBefore, certAfter) {
				t.Fatal("it changed the files")
			}
		})
	}
}
