package keyring_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hafen/controlplane/keyring"
)

// TestMain lets the test binary be the other process that opens the keys at the same time.
func TestMain(m *testing.M) {
	if dir := os.Getenv("KEYRING_TEST_OPEN"); dir != "" {
		keys, err := keyring.OpenControlplane(dir)
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		sealed, err := keys.Secrets.Seal([]byte("from a process"), nil)
		if err != nil {
			os.Exit(1)
		}
		os.Stdout.Write(sealed)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, dir string) *keyring.Controlplane {
	t.Helper()
	keys, err := keyring.OpenControlplane(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestKeysStayTheSame(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "keys")
	context := keyring.Context("t1", "signing key")
	sealed, err := open(t, dir).Secrets.Seal([]byte("plain"), context)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("plain")) {
		t.Error("what is sealed can be read")
	}
	plain, err := open(t, dir).Secrets.Open(sealed, context)
	if err != nil || string(plain) != "plain" {
		t.Errorf("opened %q, %v", plain, err)
	}
}

func TestARowCannotBeMoved(t *testing.T) {
	t.Parallel()
	keys := open(t, filepath.Join(t.TempDir(), "keys"))
	sealed, err := keys.Secrets.Seal([]byte("plain"), keyring.Context("t1", "signing key"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	for name, attempt := range map[string]func() ([]byte, error){
		"another tenant": func() ([]byte, error) { return keys.Secrets.Open(sealed, keyring.Context("t2", "signing key")) },
		"another name":   func() ([]byte, error) { return keys.Secrets.Open(sealed, keyring.Context("t1", "password")) },
		"joined":         func() ([]byte, error) { return keys.Secrets.Open(sealed, keyring.Context("t1signing key")) },
		"another key":    func() ([]byte, error) { return keys.Edge.Open(sealed, keyring.Context("t1", "signing key")) },
		"damaged":        func() ([]byte, error) { return keys.Secrets.Open(damaged, keyring.Context("t1", "signing key")) },
	} {
		if plain, err := attempt(); err == nil {
			t.Errorf("%s: opened %q", name, plain)
		}
	}
}

func TestEachRoleHasItsOwnKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	keys := open(t, dir)
	web, err := keyring.OpenWeb(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := web.SealMail([]byte("a member's password"), []byte("who"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := keys.Mailbox.OpenMail(sealed, []byte("who")); err != nil || string(plain) != "a member's password" {
		t.Errorf("control plane opened %q, %v", plain, err)
	}
	if _, err := keys.Mailbox.OpenMail(sealed, []byte("somebody else")); err == nil {
		t.Error("a sealed password can be moved to somebody else")
	}
	edge, err := keyring.OpenEdge(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err = keys.Edge.Seal([]byte("certificate key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := edge.Open(sealed, nil); err != nil || string(plain) != "certificate key" {
		t.Errorf("edge opened %q, %v", plain, err)
	}
}

func TestRolesNeedOnlyTheirOwnFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	open(t, dir)
	remove(t, dir, "secrets.json", "mailbox.private.json", "edge.json")
	if _, err := keyring.OpenWeb(dir); err != nil {
		t.Errorf("web: %v", err)
	}
	if _, err := keyring.OpenEdge(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("edge without its key: %v", err)
	}
}

func TestAMissingKeyIsNeverReplaced(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"secrets.json", "edge.json", "mailbox.private.json", "mailbox.public.json"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "keys")
			open(t, dir)
			remove(t, dir, file)
			_, err := keyring.OpenControlplane(dir)
			if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "backup") {
				t.Errorf("error %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, file)); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a new key was made")
			}
		})
	}
}

// TestOlderKeysGetTheKeyOfSecondFactors: processes of a new version meet a directory of one that knew no such key.
func TestOlderKeysGetTheKeyOfSecondFactors(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	before, err := open(t, dir).Secrets.Seal([]byte("plain"), nil)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, dir, "factors.json")
	if _, err := keyring.OpenWeb(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("web makes keys: %v", err)
	}
	var all sync.WaitGroup
	sealed := make([][]byte, 8)
	for i := range sealed {
		all.Go(func() {
			keys := open(t, dir)
			if plain, err := keys.Secrets.Open(before, nil); err != nil || string(plain) != "plain" {
				t.Errorf("an old key was replaced: %v", err)
			}
			web, err := keyring.OpenWeb(dir)
			if err != nil {
				t.Error(err)
				return
			}
			sealed[i], err = web.Factors.Seal([]byte("totp"), nil)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	web, err := keyring.OpenWeb(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		if plain, err := web.Factors.Open(sealed[i], nil); err != nil || string(plain) != "totp" {
			t.Errorf("process %d had another key: %v", i, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "keys.new-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestHalvesOfDifferentPairsAreRefused(t *testing.T) {
	t.Parallel()
	one, two := filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "keys")
	open(t, one)
	open(t, two)
	public, err := os.ReadFile(filepath.Join(two, "mailbox.public.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(one, "mailbox.public.json"), public, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.OpenControlplane(one); err == nil {
		t.Error("opened")
	}
}

func TestFilesAreClosedToOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	open(t, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", entry.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(filepath.Join(dir, "secrets.json"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.OpenControlplane(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key others can read: %v", err)
	}
}

func TestProcessesThatStartTogetherGetTheSameKeys(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "keys")
	sealed := make([][]byte, 6)
	var all sync.WaitGroup
	for i := range sealed {
		all.Go(func() {
			process := exec.CommandContext(t.Context(), os.Args[0])
			process.Env = append(os.Environ(), "KEYRING_TEST_OPEN="+dir)
			var err error
			if sealed[i], err = process.Output(); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	all.Wait()
	keys := open(t, dir)
	for i := range sealed {
		if plain, err := keys.Secrets.Open(sealed[i], nil); err != nil || string(plain) != "from a process" {
			t.Errorf("process %d had another key: %v", i, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(parent, "keys.new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestAnEmptyDirectoryIsNoKeys(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func remove(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, file := range files {
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
}
