package provisioner

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"hafen/tenant"
)

// Everything in a tenant's directory is for the tenant to arrange.
func TestWalk(t *testing.T) {
	t.Parallel()
	f, id := files{data: t.TempDir()}, tenant.NewID()
	media := filepath.Join(f.own(id), "media")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	walk := func() (count int, bytes int64, paths map[string]bool, err error) {
		paths = map[string]bool{}
		err = f.walk(t.Context(), id, "media", func(s storedFile) {
			count, bytes, paths[s.path] = count+1, bytes+s.bytes, true
		})
		return count, bytes, paths, err
	}
	if count, _, _, err := walk(); err != nil || count != 0 {
		t.Errorf("of an absent directory: %d files, %v", count, err)
	}
	inner := filepath.Join(media, "one", "two")
	must(os.MkdirAll(inner, 0o700))
	for i := range 3 * batch {
		must(os.WriteFile(filepath.Join(inner, strconv.Itoa(i)), []byte("x"), 0o600))
	}
	outside := t.TempDir()
	must(os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	must(os.Symlink(outside, filepath.Join(media, "link")))
	must(os.Symlink(inner, filepath.Join(media, "inner")))
	must(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(inner, "link")))
	count, bytes, paths, err := walk()
	if err != nil || count != 3*batch || bytes < int64(count) || !paths["one/two/0"] || paths["link/secret"] {
		t.Errorf("%d files, %d bytes, %v", count, bytes, err)
	}

	for what, replace := range map[string]func() error{
		"link": func() error { return os.Symlink(outside, media) },
		"pipe": func() error { return syscall.Mkfifo(media, 0o600) },
	} {
		t.Run("a "+what+" in place of the directory leads nowhere", func(t *testing.T) {
			must(os.Rename(media, media+".old"))
			must(replace())
			if count, _, _, err := walk(); count != 0 || err == nil {
				t.Errorf("%d files, %v", count, err)
			}
			must(os.Remove(media))
			must(os.Rename(media+".old", media))
		})
	}
	t.Run("nobody waits for what is nested without end", func(t *testing.T) {
		must(os.MkdirAll(filepath.Join(media, strings.Repeat("d/", 200)), 0o700))
		if _, _, _, err := walk(); err == nil || !strings.Contains(err.Error(), "more than 100 directories") {
			t.Errorf("200 directories within each other: %v", err)
		}
	})
}
