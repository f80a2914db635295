package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What the sealed copy is bound to; the number is its format. A copy of another format is refused, and loaded anew.
var copyContext = []byte("hafen edge copy 2")

// copyFile keeps the last good snapshot on disk, sealed, because it holds every tenant's private key.
type copyFile struct {
	path   string
	sealer Sealer
}

// load returns the zero snapshot when there is no copy yet.
func (c copyFile) load() (Snapshot, error) {
	sealed, err := os.ReadFile(c.path)
	if errors.Is(err, os.ErrNotExist) {
		return Snapshot{}, nil
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("read the edge's local copy: %w", err)
	}
	plain, err := c.sealer.Open(sealed, copyContext)
	if err != nil {
		return Snapshot{}, fmt.Errorf("unseal the edge's local copy: %w", err)
	}
	var s Snapshot
	if err := json.Unmarshal(plain, &s); err != nil {
		// The decoder's own words may quote what it read, and that is keys.
		return Snapshot{}, errors.New("read the edge's local copy: not the expected structure")
	}
	return s, nil
}

// save replaces the copy: whoever reads it, also after a loss of power, finds the old one or the new one whole.
func (c copyFile) save(s Snapshot) error {
	plain, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the edge's local copy: %w", err)
	}
	sealed, err := c.sealer.Seal(plain, copyContext)
	if err != nil {
		return fmt.Errorf("seal the edge's local copy: %w", err)
	}
	if err := replaceFile(c.path, sealed); err != nil {
		return fmt.Errorf("write the edge's local copy: %w", err)
	}
	return nil
}

// replaceFile writes content beside path, readable by us alone, and renames it into place.
func replaceFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // finds nothing after the rename
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDirectory(dir)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// The copy holds everything, some 8 KiB a tenant with a certificate of its own, so a burst of changes waits for one copy.
// Measurements of storage change every few minutes for every tenant and are of little use after a restart; for their sake
// alone it is rewritten no more often than once a minute.
const (
	copyInterval      = 5 * time.Second
	usageCopyInterval = time.Minute
)
