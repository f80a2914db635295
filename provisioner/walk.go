package provisioner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"hafen/tenant"
)

// storedFile is one file of a tenant's: its path in the directory that was walked, and what it takes on the disk.
type storedFile struct {
	path    string
	bytes   int64
	changed time.Time
}

// What a tenant's directories cost to walk is for the tenant to say, and others wait: so a look at a file costs the same
// however deep it lies, and what lies in a directory is read in parts.
const (
	// One directory is open at each level. Homeservers have some six within each other.
	deepest = 100
	batch   = 256 // names
)

// walk gives the files in a directory of the tenant's; none when it is absent. It is confined: a tenant that puts a link where
// a directory was cannot lead it elsewhere.
func (f files) walk(ctx context.Context, id tenant.ID, dir string, give func(storedFile)) error {
	root, err := os.OpenRoot(f.own(id))
	if err != nil {
		return goneIsFine(err)
	}
	defer root.Close()
	top, err := root.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0) // a pipe in its place would be waited for
	if err != nil {
		return goneIsFine(err)
	}
	defer top.Close()
	if err := (walker{ctx, give}).directory(top, "", deepest); err != nil {
		return fmt.Errorf("measure the tenant's media: %w", err)
	}
	return nil
}

type walker struct {
	ctx  context.Context
	give func(storedFile)
}

// directory gives the files of an open directory, which lies at a path, and of those in it.
func (w walker) directory(dir *os.File, path string, depth int) error {
	if depth == 0 {
		return fmt.Errorf("there are more than %d directories within each other", deepest)
	}
	for {
		names, err := dir.Readdirnames(batch)
		for _, name := range names {
			if err := w.entry(dir, path, name, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return w.ctx.Err()
		}
		if err := errors.Join(w.ctx.Err(), goneIsFine(err)); err != nil {
			return err
		}
		if err != nil {
			return nil // the homeserver has removed it meanwhile
		}
	}
}

func (w walker) entry(dir *os.File, path, name string, depth int) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return goneIsFine(err) // moved or removed meanwhile
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		// stat(2): in units of 512 bytes, whatever the file system's block.
		w.give(storedFile{path + name, stat.Blocks * 512, time.Unix(stat.Mtim.Unix())})
	case unix.S_IFDIR:
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			return nil // a file or a link by now
		}
		if err != nil {
			return goneIsFine(err)
		}
		inner := os.NewFile(uintptr(fd), name)
		defer inner.Close()
		return w.directory(inner, path+name+"/", depth-1)
	}
	return nil
}
