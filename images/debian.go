package images

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages fetches packages of the machine's distribution with its own apt, which knows where they are and checks their
// signatures. Nothing is installed: apt is told that nothing is, so it gives a set that is complete in itself. State is a
// directory of ours for what apt remembers between two calls.
type packages struct {
	names []string
	state string
}

// pinned names the files of the packages with their hashes, one a line, as the machine's package lists have them now.
func (p packages) pinned(ctx context.Context) (string, error) {
	output, err := p.apt(ctx, "", "--print-uris").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("find apt-get: %w; the image of Synapse is built on Debian or Ubuntu", err)
	}
	if err != nil {
		return "", fmt.Errorf("ask apt for the packages of Synapse's image: %w%s; mend it with: apt-get update", err, said(err))
	}
	var lines strings.Builder
	for line := range strings.Lines(string(output)) {
		// 'address' file size SHA256:hash. Addresses are left out: they differ between machines.
		fields := strings.Fields(line)
		if len(fields) != 4 || !strings.HasPrefix(fields[3], "SHA256:") {
			return "", fmt.Errorf("ask apt for the packages of Synapse's image: it says %q", line)
		}
		fmt.Fprintln(&lines, fields[1], fields[3])
	}
	return lines.String(), nil
}

// download puts the packages into a directory.
func (p packages) download(ctx context.Context, directory string) error {
	for _, needed := range []string{filepath.Join(directory, "partial"), p.state} {
		if err := os.MkdirAll(needed, 0o755); err != nil {
			return fmt.Errorf("create a directory for packages: %w", err)
		}
	}
	if _, err := p.apt(ctx, directory, "--download-only").Output(); err != nil {
		return fmt.Errorf("download packages: %w%s; when they are not found mend it with: apt-get update", err, said(err))
	}
	return nil
}

func (p packages) apt(ctx context.Context, archives, action string) *exec.Cmd {
	arguments := []string{"-qq", "--assume-yes", "--no-install-recommends", action}
	for _, option := range []string{
		"Dir::State::status=/dev/null",                                   // nothing is installed
		"Dir::Cache::pkgcache=" + filepath.Join(p.state, "packages.bin"), // the machine's own knows what is installed
		"Dir::Cache::srcpkgcache=" + filepath.Join(p.state, "sources.bin"),
		"Dir::Cache::archives=" + archives,
		"Acquire::ForceHash=SHA256",
		"APT::Sandbox::User=root", // whoever we are; apt's own user cannot write into our directory
		"Debug::NoLocking=true",   // nothing of the machine is changed
	} {
		arguments = append(arguments, "-o", option)
	}
	command := exec.CommandContext(ctx, "apt-get", append(append(arguments, "install"), p.names...)...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	return command
}

// unpack lays out the files of a package below root for which place gives a path; "" leaves one out. No script of the
// package runs.
func unpack(ctx context.Context, archive, root string, place func(name string) string) error {
	command := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", archive)
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("open package %s: %w", filepath.Base(archive), err)
	}
	unpacked := extract(tar.NewReader(stdout), root, place)
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		unpacked = errors.Join(unpacked, err)
	}
	if err := errors.Join(unpacked, command.Wait()); err != nil {
		return fmt.Errorf("unpack package %s: %w", filepath.Base(archive), err)
	}
	return nil
}

func extract(archive *tar.Reader, root string, place func(name string) string) error {
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := place(strings.TrimPrefix(header.Name, "./"))
		if name == "" || header.Typeflag == tar.TypeDir {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("a package has a file %q", header.Name)
		}
		target := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		switch header.Typeflag {
		case tar.TypeSymlink:
			err = os.Symlink(header.Linkname, target)
		case tar.TypeReg:
			err = create(target, archive, fs.FileMode(header.Mode)&0o755|0o600)
		default:
			err = fmt.Errorf("a package has %q, which is no file", header.Name)
		}
		if err != nil {
			return err
		}
	}
}

func create(path string, content io.Reader, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
