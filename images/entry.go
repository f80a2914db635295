package images

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// moment is the time of everything in the image, so that making it twice gives the same bytes.
var moment = time.Unix(0, 0).UTC()

// entry is one file, directory or symbolic link of a layer; the path of a directory ends in a slash.
type entry struct {
	path  string
	mode  int64
	link  string // where a symbolic link leads
	size  int64
	write func(io.Writer) error // nil when there is no content
}

func directory(path string, mode int64) entry { return entry{path: path, mode: mode} }

func symlink(path, target string) entry { return entry{path: path, mode: 0o777, link: target} }

func text(path string, data []byte) entry {
	return entry{path: path, mode: 0o644, size: int64(len(data)), write: func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}
}

// file is an entry with the content of a file on disk.
func file(path, source string) (entry, error) {
	about, err := os.Stat(source)
	if err != nil {
		return entry{}, fmt.Errorf("look at a file of the image: %w", err)
	}
	mode := int64(0o644)
	if about.Mode()&0o100 != 0 {
		mode = 0o755
	}
	return entry{path: path, mode: mode, size: about.Size(), write: func(w io.Writer) error {
		f, err := os.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}}, nil
}

// walk gives all that is below root, in lexical order, except what is below skip. Owners, times and the finer points
// of modes are left behind.
func walk(root, from, skip string) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(filepath.Join(root, from), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case name == skip:
			return fs.SkipDir
		case name == ".":
			return nil
		case d.IsDir():
			entries = append(entries, directory(name+"/", 0o755))
			return nil
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			entries = append(entries, symlink(name, target))
			return err
		}
		e, err := file(name, path)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of the image: %w", err)
	}
	return entries, nil
}
