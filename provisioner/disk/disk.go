// Package disk sets a hard floor under the quota: directories of a tenant's that cannot grow beyond a size, whoever writes.
//
// The quota itself is kept at the edge, where it can be refused kindly; this one stops a homeserver that has lost its head,
// or its loyalty, from filling the disk that all share. It needs a file system that can: btrfs, whose subvolumes and quota
// groups are used, or ext4 and XFS, whose project quotas are, where they were mounted with them. Elsewhere nothing is limited,
// and [Look] says why and what mends it, for hafen doctor and the log.
//
// A crash leaves nothing that the next call does not mend: making a directory, setting and reading a limit can be repeated.
package disk

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Unit is what limits are whole multiples of, in bytes: file systems keep them in blocks, and the largest of these has so many.
const Unit = 64 << 10

// Volumes makes directories with a limit, below one directory.
type Volumes struct {
	keeper keeper // nil where nothing keeps limits
	why    string
}

// Volume is all of the disk that a tenant may write to: directories that one limit holds together.
type Volume struct {
	Number int      // the tenant's: what the limit is kept under
	Dirs   []string // their parents exist; those beside the first may be on another file system, which keeps no limit for them
}

// keeper is a file system that keeps limits. All that it does can be repeated.
type keeper interface {
	make(v Volume) error
	limit(v Volume, bytes uint64) error
	limited(v Volume) (bytes uint64, ok bool, err error)
	forget(v Volume) (func() error, error) // before the volume is removed; what it gives, after that
}

// Finding is what a file system can do for tenants' volumes.
type Finding struct {
	FileSystem string // its name; "" when it is none of those that could
	Why        string // no limits hold; "" when they do, or will as soon as [Detect] has been called
	Mend       string // commands that make them hold
}

// Look finds out, changing nothing, whether limits can hold below a directory. Anybody may ask.
func Look(root string) (Finding, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(root, &stat); err != nil {
		return Finding{}, fmt.Errorf("look at the file system of %s: %w", root, err)
	}
	switch stat.Type {
	case unix.BTRFS_SUPER_MAGIC:
		return Finding{FileSystem: "btrfs"}, nil
	case unix.EXT4_SUPER_MAGIC:
		return lookAtProjects(root, "ext4")
	case unix.XFS_SUPER_MAGIC:
		return lookAtProjects(root, "XFS")
	}
	return Finding{Why: "it is not on btrfs, ext4 or XFS", Mend: "put HAFEN_DATA on one of these"}, nil
}

// Detect finds out what the file system of a directory can do, and switches btrfs' accounting on where it was off. The
// directory must exist.
func Detect(root string) (*Volumes, error) {
	found, err := Look(root)
	switch {
	case err != nil:
		return nil, err
	case found.Why != "":
		return &Volumes{why: fmt.Sprintf("%s; what mends it: %s", found.Why, found.Mend)}, nil
	case found.FileSystem != "btrfs":
		return &Volumes{keeper: projects{root}}, nil
	}
	if err := enable(root); err != nil {
		return &Volumes{why: fmt.Sprintf("btrfs does not keep quotas here: %v", err)}, nil
	}
	return &Volumes{keeper: groups{root}}, nil
}

// Limits reports whether limits hold; if not, why.
func (v *Volumes) Limits() (why string, ok bool) { return v.why, v.keeper != nil }

// Make makes the directories, or leaves those that are there.
func (v *Volumes) Make(volume Volume) error {
	if v.keeper == nil {
		return makeAll(volume.Dirs)
	}
	return v.keeper.make(volume)
}

// Limit bounds the volume to so many bytes, a multiple of [Unit]. What was in there before the file system could keep limits is
// counted from now on, for which everything is walked through once; on btrfs it is not. Without limits on this file system it
// does nothing.
func (v *Volumes) Limit(volume Volume, bytes int64) error {
	if v.keeper == nil {
		return nil
	}
	if bytes <= 0 || bytes%Unit != 0 {
		return fmt.Errorf("limit the tenant's volume: %d bytes are no multiple of %d", bytes, Unit)
	}
	if err := v.keeper.limit(volume, uint64(bytes)); err != nil {
		return fmt.Errorf("limit the tenant's volume: %w", err)
	}
	return nil
}

// Limited gives the volume's limit in bytes; ok is false when there is none, or the file system has none.
func (v *Volumes) Limited(volume Volume) (bytes int64, ok bool, err error) {
	if v.keeper == nil {
		return 0, false, nil
	}
	most, ok, err := v.keeper.limited(volume)
	if err != nil {
		return 0, false, fmt.Errorf("look at the limit of the tenant's volume: %w", err)
	}
	return int64(most), ok, nil
}

// Remove removes the directories with all that is in them, and the limit if the kernel lets go of it.
func (v *Volumes) Remove(volume Volume) error {
	if v.keeper == nil {
		return removeAll(volume.Dirs)
	}
	forget, err := v.keeper.forget(volume)
	if err != nil {
		return err
	}
	if err := removeAll(volume.Dirs); err != nil {
		return err
	}
	return forget()
}

func makeAll(dirs []string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func removeAll(dirs []string) error {
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}
