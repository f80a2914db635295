package vmtest

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What the machine's kernel may have as modules of what it needs: its disks, and the file systems with their quotas.
var wanted = []string{"virtio_pci", "virtio_blk", "ext4", "xfs", "quota_v2", "btrfs"}

// Directories of the initial RAM disk, all for mounting. Modules are kept beside the program, named by their turn.
var directories = []string{"dev", "proc", "sys", "tmp"}

// writeInitial writes an initial RAM disk with a program to be the first process, and the modules it loads.
func writeInitial(path, program, modules string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buffered := bufio.NewWriter(file)
	archive := archive{to: buffered}
	for _, name := range directories {
		archive.add(name, 0o40755, nil)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	archive.add("init", 0o100755, content)
	list, err := loadOrder(modules, wanted)
	if err != nil {
		return fmt.Errorf("look for the kernel's modules: %w", err)
	}
	for i, module := range list {
		archive.add(fmt.Sprintf("%02d.ko", i), 0o100644, module)
	}
	archive.add("TRAILER!!!", 0, nil)
	if archive.err != nil {
		return archive.err
	}
	return buffered.Flush()
}

// loadOrder gives the content of the modules of these names and of all they depend on, those first. What is built into the
// kernel needs none.
func loadOrder(dir string, names []string) ([][]byte, error) {
	files, builtin := map[string]string{}, map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			files[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for _, path := range strings.Fields(string(list)) {
		builtin[moduleName(strings.TrimSuffix(filepath.Base(path), ".ko"))] = true
	}
	var order [][]byte
	var taken []string
	var take func(name string) error
	take = func(name string) error {
		if builtin[name] || slices.Contains(taken, name) {
			return nil
		}
		taken = append(taken, name)
		if files[name] == "" {
			return fmt.Errorf("there is no %s in %s", name, dir)
		}
		content, err := os.ReadFile(files[name])
		if err != nil {
			return err
		}
		needs, err := dependencies(content)
		if err != nil {
			return fmt.Errorf("%s: %w", files[name], err)
		}
		for _, n := range needs {
			if err := take(n); err != nil {
				return err
			}
		}
		order = append(order, content)
		return nil
	}
	for _, name := range names {
		if err := take(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// dependencies reads what a module says of itself: a section of key=value, each ended by a zero byte.
func dependencies(module []byte) ([]string, error) {
	object, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := object.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("it is no kernel module")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	var needs []string
	for line := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(line, "depends="); ok {
			needs = append(needs, strings.FieldsFunc(moduleName(list), func(r rune) bool { return r == ',' })...)
		}
	}
	return needs, nil
}

// moduleName makes one of the two ways to write a name.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// archive writes the format of initial RAM disks: cpio, as the kernel's buffer-format.rst has it under "newc".
type archive struct {
	to    io.Writer
	count int
	err   error
}

func (a *archive) add(name string, mode uint32, content []byte) {
	a.count++
	const magic, links = "070701", 1
	header := fmt.Sprintf("%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", magic,
		a.count, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	a.write(header + name + "\x00")
	a.write(padding(len(header) + len(name) + 1))
	a.write(string(content))
	a.write(padding(len(content)))
}

func padding(written int) string { return strings.Repeat("\x00", -written&3) }

func (a *archive) write(s string) {
	if a.err == nil {
		_, a.err = io.WriteString(a.to, s)
	}
}
