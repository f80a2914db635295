package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/hybrid"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// ensure makes the keys when dir is missing or empty; otherwise all of them must be there, but for the one that came later.
//
// They are made in a directory of their own which then takes dir's name. Renaming is one act and fails when dir has files
// in it, so a crash leaves all keys or none, and of two processes one wins and the other reads the winner's.
func ensure(dir string) error {
	present, err := names(dir)
	if err != nil {
		return err
	}
	if len(present) > 0 {
		return complete(dir, present)
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return fmt.Errorf("create the directory of the keys: %w", err)
	}
	fresh, err := os.MkdirTemp(parent, "keys.new-")
	if err != nil {
		return fmt.Errorf("create the directory of the keys: %w", err)
	}
	defer os.RemoveAll(fresh) // gone already when it took dir's name
	if err := create(fresh); err != nil {
		return err
	}
	// Not os.Rename, which refuses to replace any directory; the system call refuses only one with files in it.
	err = syscall.Rename(fresh, dir)
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		// Another process was faster.
		if present, err = names(dir); err != nil {
			return err
		}
		return complete(dir, present)
	}
	if err != nil {
		return fmt.Errorf("put the new keys in place: %w", err)
	}
	return syncDir(parent)
}

func complete(dir string, present map[string]bool) error {
	for _, file := range firstFiles {
		if !present[file] {
			return missing(dir, file, fs.ErrNotExist)
		}
	}
	if present[fileFactors] {
		return nil
	}
	return addFactors(dir)
}

// addFactors makes the key of second factors beside keys that are older. Linking a whole file to its name is one act and fails
// when the name is taken, so of two processes both end up with the same key.
func addFactors(dir string) error {
	factors, err := newSealing()
	if err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "keys.new-")
	if err != nil {
		return fmt.Errorf("add the key of second factors: %w", err)
	}
	defer os.RemoveAll(fresh)
	if err := writeSecret(fresh, fileFactors, factors); err != nil {
		return err
	}
	err = os.Link(filepath.Join(fresh, fileFactors), filepath.Join(dir, fileFactors))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("add the key of second factors: %w", err)
	}
	return syncDir(dir)
}

func names(dir string) (map[string]bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for keys: %w", err)
	}
	found := make(map[string]bool, len(entries))
	for _, entry := range entries {
		found[entry.Name()] = true
	}
	return found, nil
}

func create(dir string) error {
	private, err := keyset.NewHandle(hybrid.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_CHACHA20_POLY1305_Key_Template())
	if err != nil {
		return fmt.Errorf("make the mailbox: %w", err)
	}
	public, err := private.Public()
	if err != nil {
		return fmt.Errorf("take the public half of the mailbox: %w", err)
	}
	if err := writeSecret(dir, filePrivate, private); err != nil {
		return err
	}
	for _, file := range []string{fileSecrets, fileEdge, fileFactors} {
		handle, err := newSealing()
		if err != nil {
			return err
		}
		if err := writeSecret(dir, file, handle); err != nil {
			return err
		}
	}
	if err := write(dir, filePublic, public.WriteWithNoSecrets); err != nil {
		return err
	}
	return syncDir(dir)
}

func newSealing() (*keyset.Handle, error) {
	handle, err := keyset.NewHandle(aead.XChaCha20Poly1305KeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return handle, nil
}

func writeSecret(dir, file string, handle *keyset.Handle) error {
	return write(dir, file, func(w keyset.Writer) error { return insecurecleartextkeyset.Write(handle, w) })
}

func write(dir, file string, into func(keyset.Writer) error) error {
	var content bytes.Buffer
	if err := into(keyset.NewJSONWriter(&content)); err != nil {
		return fmt.Errorf("write key file %s: %w", file, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	_, err = f.Write(content.Bytes())
	// A key that is lost in a power cut after it sealed something is lost for ever.
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write key file %s: %w", file, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open the directory of the keys: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync the directory of the keys: %w", err)
	}
	return nil
}
