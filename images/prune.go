package images

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unused are parts of the tree that a running Synapse never looks at, as patterns of [filepath.Glob].
var unused = []string{
	"usr/share",
	// Of Python: what builds, tests, draws or asks a terminal.
	"usr/lib/python3.*/__pycache__", "usr/lib/python3.*/config-*", "usr/lib/python3.*/dist-packages", "usr/lib/python3.*/sitecustomize.py",
	"usr/lib/python3.*/EXTERNALLY-MANAGED", "usr/lib/python3.*/LICENSE.txt",
	"usr/lib/python3.*/distutils", "usr/lib/python3.*/ensurepip", "usr/lib/python3.*/idlelib", "usr/lib/python3.*/lib2to3",
	"usr/lib/python3.*/pydoc_data", "usr/lib/python3.*/test", "usr/lib/python3.*/tkinter", "usr/lib/python3.*/turtledemo", "usr/lib/python3.*/venv",
	"usr/lib/python3.*/lib-dynload/_curses*", "usr/lib/python3.*/lib-dynload/_dbm*", "usr/lib/python3.*/lib-dynload/_test*",
	"usr/lib/python3.*/lib-dynload/nis.*", "usr/lib/python3.*/lib-dynload/readline.*", "usr/lib/python3.*/lib-dynload/xx*",
	// Of the wheels: their programs, tests, and tables of what no homeserver asks for (where in a country a telephone
	// number is, who made a network card).
	modules + "/bin", modules + "/*/test", modules + "/*/tests", modules + "/*/*/test", modules + "/*/*/tests",
	modules + "/*/*/*/test", modules + "/*/*/*/tests",
	modules + "/phonenumbers/carrierdata", modules + "/phonenumbers/geodata", modules + "/phonenumbers/tzdata",
	modules + "/netaddr/eui/*.txt", modules + "/netaddr/eui/*.idx",
	modules + "/*.dist-info/RECORD", modules + "/*.dist-info/INSTALLER", modules + "/*.dist-info/REQUESTED",
}

// prune removes what is not needed at run time.
func (t *tree) prune() error {
	for _, pattern := range unused {
		found, err := filepath.Glob(filepath.Join(t.root, pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	if err := t.pruneSources(); err != nil {
		return err
	}
	if err := t.pruneDescriptions(); err != nil {
		return err
	}
	return t.pruneLibraries()
}

// pruneSources removes what only a compiler, a type checker or a shell reads.
func (t *tree) pruneSources() error {
	return filepath.WalkDir(filepath.Join(t.root, libraries), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".c", ".h", ".pxd", ".pyi", ".pyx", ".rs", ".sh":
			return os.Remove(path)
		}
		return nil
	})
}

// pruneDescriptions cuts what Synapse reads of every wheel at its start, to look for what it depends on, down to the head:
// below it is a text for people.
func (t *tree) pruneDescriptions() error {
	found, err := filepath.Glob(filepath.Join(t.root, modules, "*.dist-info/METADATA"))
	if err != nil {
		return err
	}
	for _, path := range found {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		head, _, _ := bytes.Cut(content, []byte("\n\n"))
		if err := os.WriteFile(path, append(head, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pruneLibraries removes the shared libraries that nothing left in the tree needs: packages need more than programs do.
func (t *tree) pruneLibraries() error {
	loader, directory, err := t.loader()
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	var visit func(path string) error
	// visit marks what the file needs. Names that are not in the directory lie beside the file, in its wheel.
	visit = func(path string) error {
		names, err := imported(path)
		if err != nil {
			return err
		}
		for _, name := range names {
			if needed[name] {
				continue
			}
			library := filepath.Join(directory, name)
			if _, err := os.Stat(library); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			needed[name] = true
			if err := visit(library); err != nil {
				return err
			}
		}
		return nil
	}
	// Loaded by name while running: the allocator, and what ends a thread.
	needed[filepath.Base(loader)], needed["libjemalloc.so.2"], needed["libgcc_s.so.1"] = true, true, true
	roots := []string{filepath.Join(t.root, "usr/bin", t.python), filepath.Join(directory, "libjemalloc.so.2"), filepath.Join(directory, "libgcc_s.so.1")}
	err = filepath.WalkDir(filepath.Join(t.root, libraries), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), ".so") && filepath.Dir(path) != directory && d.Type().IsRegular() {
			roots = append(roots, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := visit(root); err != nil {
			return err
		}
	}
	return keepOnly(directory, needed)
}

// imported names the libraries a program or library is linked with.
func imported(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	defer f.Close()
	return f.ImportedLibraries()
}

// keepOnly removes from a directory of libraries all but those named and the files their links lead to.
func keepOnly(directory string, names map[string]bool) error {
	kept := map[string]bool{}
	for name := range names {
		target, err := filepath.EvalSymlinks(filepath.Join(directory, name))
		if err != nil {
			return fmt.Errorf("look for library %s: %w", name, err)
		}
		kept[name], kept[filepath.Base(target)] = true, true
	}
	all, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, library := range all {
		if kept[library.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(directory, library.Name())); err != nil {
			return err
		}
	}
	return nil
}
