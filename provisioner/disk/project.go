package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's interface, the same for ext4 and XFS: include/uapi/linux/fs.h, quota.h and dqblk_xfs.h. quotactl_fd takes any
// file of the file system where quotactl takes its device; Linux has it since 5.14.
const (
	ioctlGetAttributes = 0x801c581f
	ioctlSetAttributes = 0x401c5820
	inheritProject     = 0x200

	projectQuota  = 2
	quotaGet      = 0x800007<<8 | projectQuota
	quotaSet      = 0x800008<<8 | projectQuota
	quotaState    = ('X'<<8+8)<<8 | projectQuota
	accounted     = 1 << 4 // of quotaState: usage is counted
	enforced      = 1 << 5 // and limits hold
	validSpace    = 1      // of quotaSet: which fields count
	validFiles    = 4
	quotaKilobyte = 1 << 10 // what limits are counted in, whatever the block
)

// attributes is struct fsxattr.
type attributes struct {
	flags, _, _, project, _ uint32
	_                       [8]byte
}

// quota is struct if_dqblk. Limits of 0 are none.
type quota struct {
	spaceHard, _, _     uint64 // in units of quotaKilobyte
	filesHard, _, files uint64 // at most, and in use
	_, _                uint64
	valid               uint32
}

func quotactl[T any](dir *os.File, command uintptr, project uint32, argument *T) error {
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, dir.Fd(), command, uintptr(project), uintptr(unsafe.Pointer(argument)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// projects keeps limits by project quotas, on the ext4 or XFS that root is on. A tenant's files carry the number of a
// project; what is made in a directory takes over its directory's.
//
// The owner of a file may take it out of its project, unless in a user namespace of its own. A tenant's process is in the
// first one; what keeps it from asking is its container's seccomp profile: see provisioner/docker.
type projects struct{ root string }

// The projects that may be a tenant's: the first that nobody else uses on this file system, where another installation
// may have a tenant of the same number, or the hoster a project of their own. Far above what Docker, Kubernetes, LXD and
// /etc/projid count up from, and readable: tenant 7 is 2000000007.
const (
	firstProject   = 2_000_000_000
	projectsApart  = 1_000_000
	projectChoices = 100
)

// make leaves the project to limit, which has to count what is there anyway.
func (p projects) make(v Volume) error { return makeAll(v.Dirs) }

// limit counts everything that is there before it sets the limit, so that a limit says that all is counted in the first
// directory. In the others, where there is next to nothing, all is counted each time.
func (p projects) limit(v Volume, bytes uint64) error {
	dirs, err := p.open(v)
	if err != nil {
		return err
	}
	defer closeAll(dirs)
	if len(dirs) == 0 {
		return fs.ErrNotExist
	}
	project, err := claim(dirs[0], v.Number)
	if err != nil {
		return err
	}
	kept, err := read(dirs[0], project)
	if err != nil {
		return err
	}
	uncounted := dirs
	if kept.spaceHard > 0 {
		uncounted = dirs[1:]
	}
	for _, dir := range uncounted {
		if err := adopt(dir, project, deepest); err != nil {
			return fmt.Errorf("count what is there: %w", err)
		}
	}
	return write(dirs[0], project, bytes)
}

func (p projects) limited(v Volume) (uint64, bool, error) {
	dirs, err := p.open(v)
	if err != nil || len(dirs) == 0 {
		return 0, false, err
	}
	defer closeAll(dirs)
	var project uint32
	for i, dir := range dirs {
		has, ok, err := claimed(dir, v.Number)
		if err != nil || !ok || i > 0 && has != project {
			return 0, false, err
		}
		project = has
	}
	kept, err := read(dirs[0], project)
	return kept.spaceHard * quotaKilobyte, kept.spaceHard > 0, err
}

// forget removes the limit last: a crash in between leaves one that nothing is counted against, and claim removes it if the
// project is ever used again.
func (p projects) forget(v Volume) (func() error, error) {
	nothing := func() error { return nil }
	dirs, err := p.open(v)
	if err != nil || len(dirs) == 0 {
		return nothing, err
	}
	defer closeAll(dirs)
	project, ok, err := claimed(dirs[0], v.Number)
	if err != nil || !ok {
		return nothing, err
	}
	return func() error {
		root, err := openDirectory(p.root)
		if err != nil {
			return err
		}
		defer root.Close()
		return write(root, project, 0)
	}, nil
}

// open opens the volume's directories that there are: none if the first is not, and of the others those on its file system.
func (p projects) open(v Volume) (dirs []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(dirs)
		}
	}()
	var device uint64
	for i, path := range v.Dirs {
		dir, err := openDirectory(path)
		if errors.Is(err, fs.ErrNotExist) && i > 0 {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return dirs, err
		}
		dirs = append(dirs, dir)
		var stat unix.Stat_t
		if err := unix.Fstat(int(dir.Fd()), &stat); err != nil {
			return dirs, err
		}
		if i == 0 {
			device = stat.Dev
		} else if stat.Dev != device {
			dir.Close()
			dirs = dirs[:len(dirs)-1]
		}
	}
	return dirs, nil
}

func closeAll(dirs []*os.File) {
	for _, dir := range dirs {
		dir.Close()
	}
}

// claimed gives the project of a volume; ok is false when it has none that is this tenant's. What the volume says is not
// enough: a tenant that could name its neighbour's project would have that one's limit changed.
func claimed(volume *os.File, number int) (project uint32, ok bool, err error) {
	var a attributes
	if err := ioctlOn(volume, ioctlGetAttributes, &a); err != nil {
		return 0, false, fmt.Errorf("look for the volume's project: %w", err)
	}
	ours := a.project >= firstProject && (a.project-firstProject)%projectsApart == uint32(number)
	return a.project, ours && a.flags&inheritProject != 0, nil
}

// claim gives the volume's project, after choosing one if it has none.
func claim(volume *os.File, number int) (uint32, error) {
	if number < 0 || number >= projectsApart {
		return 0, fmt.Errorf("there is no project for tenant %d: the last is %d", number, projectsApart-1)
	}
	if project, ok, err := claimed(volume, number); err != nil || ok {
		return project, err
	}
	for choice := range projectChoices {
		project := uint32(firstProject + choice*projectsApart + number)
		kept, err := read(volume, project)
		if err != nil {
			return 0, err
		}
		if kept.files > 0 {
			continue
		}
		// Left of a volume that was removed. It would say that all is counted here.
		if err := write(volume, project, 0); err != nil {
			return 0, err
		}
		return project, tag(volume, project)
	}
	return 0, fmt.Errorf("every project for tenant %d, from %d on, is in use on this file system", number, firstProject+number)
}

// tag counts a file or a directory, and what will be made in that, for a project.
func tag(file *os.File, project uint32) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var a attributes
	if err := ioctlOn(file, ioctlGetAttributes, &a); err != nil {
		return fmt.Errorf("look for a file's project: %w", err)
	}
	flags := a.flags
	if info.IsDir() {
		flags |= inheritProject
	}
	if a.project == project && a.flags == flags {
		return nil
	}
	a.project, a.flags = project, flags
	if err := ioctlOn(file, ioctlSetAttributes, &a); err != nil {
		return fmt.Errorf("give a file its project: %w", err)
	}
	return nil
}

const (
	// So many directories within each other are gone through, one open at each level; homeservers have some six. A tenant that
	// nests more gets no limit and no start.
	deepest = 100
	// So many names are read at once: a directory may have millions.
	batch = 256
)

// adopt counts all that is in a volume for a project, while its tenant may be writing. A directory is tagged before it is
// read: from then on what is made in it is counted, and nothing uncounted can be moved into it. So what is not seen here
// has either been counted by the kernel or is in a directory that is still to come.
//
// No symbolic link is followed, and nothing but files and directories is opened. Links, sockets and pipes take no space.
func adopt(dir *os.File, project uint32, depth int) error {
	if depth == 0 {
		return fmt.Errorf("there are more than %d directories within each other", deepest)
	}
	if err := tag(dir, project); err != nil {
		return err
	}
	for {
		entries, err := dir.ReadDir(batch)
		for _, e := range entries {
			if err := adoptEntry(dir, e, project, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func adoptEntry(dir *os.File, entry fs.DirEntry, project uint32, depth int) error {
	if !entry.IsDir() && !entry.Type().IsRegular() {
		return nil
	}
	// Not to wait for a pipe that has come in its place meanwhile.
	fd, err := unix.Openat(int(dir.Fd()), entry.Name(), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
		return nil // gone, or a link or socket by now
	case err != nil:
		return fmt.Errorf("open a file: %w", err)
	}
	file := os.NewFile(uintptr(fd), entry.Name())
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return adopt(file, project, depth-1)
	case info.Mode().IsRegular():
		return tag(file, project)
	default:
		return nil
	}
}

func read(dir *os.File, project uint32) (quota, error) {
	var q quota
	err := quotactl(dir, quotaGet, project, &q)
	if errors.Is(err, unix.ENOENT) { // XFS knows nothing of a project that was never used
		return quota{}, nil
	}
	if err != nil {
		return quota{}, fmt.Errorf("read the project's quota: %w", err)
	}
	return q, nil
}

// smallestFile is how many bytes of a limit allow for one more file: ext4's block. Files with something in them meet the limit
// of bytes first; this one is for empty ones, of which ext4 has room for a fixed number.
const smallestFile = 4 << 10

// write sets the limits of a project; 0 bytes are none.
func write(dir *os.File, project uint32, bytes uint64) error {
	q := quota{spaceHard: bytes / quotaKilobyte, filesHard: bytes / smallestFile, valid: validSpace | validFiles}
	if err := quotactl(dir, quotaSet, project, &q); err != nil {
		return fmt.Errorf("set the project's quota: %w", err)
	}
	return nil
}
