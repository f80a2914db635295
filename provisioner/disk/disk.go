// Package disk sets a hard floor under the quota: a directory of a tenant's that cannot grow beyond a size, whoever writes.
//
// The quota itself is kept at the edge, where it can be refused kindly; this one stops a homeserver that has lost its head,
// or its loyalty, from filling the disk that all share. It needs a file system that can: btrfs, whose subvolumes and quota
// groups are used. Elsewhere nothing is limited, and [Detect] says why, for hafen doctor and the log.
//
// A crash leaves nothing that the next call does not mend: making a directory, setting and reading a limit can be repeated.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Volumes makes directories with a limit, below one directory.
type Volumes struct {
	root  string
	btrfs bool
	why   string
}

// Capable reports whether the file system of a directory can keep limits.
func Capable(root string) (bool, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(root, &stat); err != nil {
		return false, fmt.Errorf("look at the file system of %s: %w", root, err)
	}
	return stat.Type == unix.BTRFS_SUPER_MAGIC, nil
}

// Detect finds out what the file system of a directory can do, and switches its accounting on where it was off. The
// directory must exist.
func Detect(root string) (*Volumes, error) {
	capable, err := Capable(root)
	if err != nil {
		return nil, err
	}
	if !capable {
		return &Volumes{root: root, why: "only btrfs is used for limits"}, nil
	}
	if err := enable(root); err != nil {
		return &Volumes{root: root, why: fmt.Sprintf("btrfs does not keep quotas here: %v", err)}, nil
	}
	return &Volumes{root: root, btrfs: true}, nil
}

// Limits reports whether limits hold; if not, why.
func (v *Volumes) Limits() (why string, ok bool) { return v.why, v.btrfs }

// Make makes the directory at path, or leaves the one that is there. number is the tenant's: what its limit is kept under.
func (v *Volumes) Make(path string, number int) error {
	if !v.btrfs {
		return os.MkdirAll(path, 0o700)
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := createSubvolume(path); err != nil {
			return fmt.Errorf("make a subvolume: %w", err)
		}
	} else if err != nil {
		return err
	}
	id, err := subvolume(path)
	if err != nil || id == 0 {
		return err // made before the file system could: what is no subvolume stays without a limit
	}
	return join(v.root, id, group(number))
}

// Limit bounds the tenant's directory to so many bytes. Without limits on this file system it does nothing.
func (v *Volumes) Limit(number int, bytes int64) error {
	if !v.btrfs {
		return nil
	}
	if err := limit(v.root, group(number), uint64(bytes)); err != nil {
		return fmt.Errorf("limit the tenant's volume: %w", err)
	}
	return nil
}

// Limited gives the limit of the tenant's directory in bytes; ok is false when there is none, or the file system has none.
func (v *Volumes) Limited(number int) (bytes int64, ok bool, err error) {
	if !v.btrfs {
		return 0, false, nil
	}
	most, ok, err := limited(v.root, group(number))
	if err != nil {
		return 0, false, fmt.Errorf("look at the limit of the tenant's volume: %w", err)
	}
	return int64(most), ok, nil
}

// Remove removes the directory at path with all that is in it, and its limit if the kernel lets go of it.
func (v *Volumes) Remove(path string, number int) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if !v.btrfs {
		return nil
	}
	return forget(v.root, group(number))
}
