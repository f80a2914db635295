package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The kernel's interface: include/uapi/linux/btrfs.h and btrfs_tree.h. All numbers are little-endian on disk and in answers.
const (
	ioctlTreeSearch   = 0xd0009411
	ioctlSubvolCreate = 0x5000940e
	ioctlInoLookup    = 0xd0009412
	ioctlQuotaControl = 0xc0109428
	ioctlQgroupAssign = 0x40189429
	ioctlQgroupCreate = 0x4010942a
	ioctlQgroupLimit  = 0x8030942b

	quotaEnable       = 1
	quotaEnableSimple = 4 // Linux 6.7

	firstFree      = 256 // inode of a subvolume's top directory
	quotaTree      = 8
	qgroupStatus   = 240
	qgroupLimitKey = 244
	limitReferred  = 1
)

// Quota groups of level 1, one a tenant. A subvolume's own group of level 0 is put in; with simple quotas those that are made
// inside of it later are too. Without, they are not, and any process may make them: from that a tenant's is kept by its
// container's seccomp profile.
func group(number int) uint64 { return 1<<48 | uint64(number) }

// groups keeps limits by quota groups, on the btrfs that root is on.
type groups struct{ root string }

func (g groups) make(v Volume) error {
	for _, dir := range v.Dirs {
		if err := g.makeOne(dir, v.Number); err != nil {
			return err
		}
	}
	return nil
}

func (g groups) makeOne(path string, number int) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		var parent unix.Statfs_t
		if err := unix.Statfs(filepath.Dir(path), &parent); err != nil {
			return err
		}
		if parent.Type != unix.BTRFS_SUPER_MAGIC {
			return os.Mkdir(path, 0o700)
		}
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
	return join(g.root, id, group(number))
}

func (g groups) limit(v Volume, bytes uint64) error { return limit(g.root, group(v.Number), bytes) }

func (g groups) limited(v Volume) (uint64, bool, error) { return limited(g.root, group(v.Number)) }

func (g groups) forget(v Volume) (func() error, error) {
	return func() error { return forget(g.root, group(v.Number)) }, nil
}

// enable switches accounting on. Simple quotas count who wrote a byte, at no cost worth mentioning; the older ones count who
// shares it, which is dear with snapshots. Either limits a tenant.
func enable(root string) error {
	if on, err := enabled(root); on || err != nil {
		return err
	}
	err := ioctl(root, ioctlQuotaControl, &[2]uint64{quotaEnableSimple})
	if errors.Is(err, unix.EINVAL) {
		err = ioctl(root, ioctlQuotaControl, &[2]uint64{quotaEnable})
	}
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func enabled(root string) (bool, error) {
	_, ok, err := search(root, 0, qgroupStatus, 0)
	return ok, err
}

func createSubvolume(path string) error {
	name := filepath.Base(path)
	var args struct {
		fd   int64
		name [4088]byte
	}
	if len(name) >= len(args.name) {
		return unix.ENAMETOOLONG
	}
	copy(args.name[:], name)
	return ioctl(filepath.Dir(path), ioctlSubvolCreate, &args)
}

// subvolume is the id of the subvolume whose top directory path is; 0 when it is an ordinary directory.
func subvolume(path string) (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return 0, fmt.Errorf("look at %s: %w", path, err)
	}
	if stat.Ino != firstFree {
		return 0, nil
	}
	args := struct {
		tree, object uint64
		name         [4080]byte
	}{object: firstFree}
	if err := ioctl(path, ioctlInoLookup, &args); err != nil {
		return 0, fmt.Errorf("ask for the subvolume's id: %w", err)
	}
	return args.tree, nil
}

// What follows is asked of the whole file system, by its top: within a volume that is full, the kernel refuses even these.

// join puts a subvolume's own group into a tenant's.
func join(root string, id, group uint64) error {
	err := ioctl(root, ioctlQgroupCreate, &[2]uint64{1, group})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make a quota group: %w", err)
	}
	err = ioctl(root, ioctlQgroupAssign, &[3]uint64{1, id, group})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("put the volume into its quota group: %w", err)
	}
	return nil
}

func limit(root string, group, bytes uint64) error {
	return ioctl(root, ioctlQgroupLimit, &[6]uint64{group, limitReferred, bytes})
}

func limited(root string, group uint64) (uint64, bool, error) {
	item, ok, err := search(root, 0, qgroupLimitKey, group)
	if err != nil || !ok || len(item) < 16 || binary.LittleEndian.Uint64(item)&limitReferred == 0 {
		return 0, false, err
	}
	return binary.LittleEndian.Uint64(item[8:]), true, nil
}

// forget removes a group. The kernel takes removed subvolumes apart in the background, and until then the group is busy: it
// stays then, an entry of some bytes that means nothing, since no number of a tenant is ever given to another.
func forget(root string, group uint64) error {
	err := ioctl(root, ioctlQgroupCreate, &[2]uint64{0, group})
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("remove the quota group: %w", err)
	}
	return nil
}

// search finds one item of the quota tree.
func search(path string, object uint64, kind uint32, offset uint64) ([]byte, bool, error) {
	var args struct {
		tree                   uint64
		minObject, maxObject   uint64
		minOffset, maxOffset   uint64
		minTransid, maxTransid uint64
		minType, maxType       uint32
		items, _               uint32
		_                      [4]uint64
		answer                 [3992]byte
	}
	args.tree, args.minObject, args.maxObject = quotaTree, object, object
	args.minOffset, args.maxOffset, args.maxTransid = offset, offset, ^uint64(0)
	args.minType, args.maxType, args.items = kind, kind, 1
	err := ioctl(path, ioctlTreeSearch, &args)
	if errors.Is(err, unix.ENOENT) || err == nil && args.items == 0 { // without quotas the tree is not there
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("search the quota tree: %w", err)
	}
	const header = 32 // transid, objectid, offset, type, len
	length := binary.LittleEndian.Uint32(args.answer[28:])
	return args.answer[header : header+length], true, nil
}
