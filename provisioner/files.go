package provisioner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"hafen/provisioner/disk"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// files keeps the tenants' directories:
//
//	data/ID          root's, closed to everybody else: no other process of the host gets past it
//	data/ID/config   the engine's files, and the manifest; mounted read-only
//	data/ID/data     the tenant's own; mounted read-write
//	run/ID           the socket; mounted read-write, and open to the edge's group; made anew with the container
//
// What is mounted read-write is the tenant's to fill, with symbolic links too: nothing here follows one in there.
type files struct {
	data, run string
	group     int
	volumes   *disk.Volumes
}

// The manifest says that the configuration is complete, and of which revision. Written last, removed first. It has the
// files' hashes, so that a file torn by a power cut is found out and written anew: they need no fsync, being made from
// the spec and the secrets.
type manifest struct {
	Revision string            `json:"revision"`
	Files    map[string]string `json:"files"` // name to SHA-256
}

const manifestName = "manifest.json"

func (f files) home(id tenant.ID) string   { return filepath.Join(f.data, string(id)) }
func (f files) config(id tenant.ID) string { return filepath.Join(f.data, string(id), "config") }
func (f files) own(id tenant.ID) string    { return filepath.Join(f.data, string(id), "data") }
func (f files) sockets(id tenant.ID) string {
	return filepath.Join(f.run, string(id))
}

// volume is all that a tenant may write to. The directory of its socket too: it makes that itself, and could make more.
func (f files) volume(id tenant.ID, number int) disk.Volume {
	return disk.Volume{Number: number, Dirs: []string{f.own(id), f.sockets(id)}}
}

func (f files) socket(id tenant.ID) string {
	return filepath.Join(f.run, string(id), homeserver.SocketName)
}

// revision of the configuration that is there and whole; "" when anything is missing.
func (f files) revision(id tenant.ID, dataDirs []string) (string, error) {
	for _, dir := range append([]string{f.sockets(id)}, under(f.own(id), dataDirs)...) {
		if info, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) || (err == nil && !info.IsDir()) {
			return "", nil
		} else if err != nil {
			return "", fmt.Errorf("look at the tenant's directories: %w", err)
		}
	}
	content, err := os.ReadFile(filepath.Join(f.config(id), manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the manifest: %w", err)
	}
	var m manifest
	if !json.Valid(content) { // torn
		return "", nil
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return "", fmt.Errorf("decode the manifest: %w", err)
	}
	for name, sum := range m.Files {
		content, err := os.ReadFile(filepath.Join(f.config(id), filepath.Base(name)))
		if errors.Is(err, fs.ErrNotExist) || (err == nil && hash(content) != sum) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("read the configuration: %w", err)
		}
	}
	return m.Revision, nil
}

// leftovers reports whether anything of the tenant is on the disk.
func (f files) leftovers(id tenant.ID) (bool, error) {
	for _, dir := range []string{f.home(id), f.sockets(id)} {
		if _, err := os.Lstat(dir); err == nil {
			return true, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("look for the tenant's directories: %w", err)
		}
	}
	return false, nil
}

// write makes the directories and the configuration.
func (f files) write(spec tenant.Spec, dataDirs []string, list []homeserver.File) error {
	if err := f.makeDirectories(spec, dataDirs); err != nil {
		return fmt.Errorf("make the tenant's directories: %w", err)
	}
	config := f.config(spec.ID)
	m := manifest{Revision: spec.Revision(), Files: map[string]string{}}
	if err := os.Remove(filepath.Join(config, manifestName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the old manifest: %w", err)
	}
	for _, file := range list {
		m.Files[file.Name] = hash(file.Content)
		// Read-only and for the tenant's user alone: most of it is secret.
		if err := writeFile(filepath.Join(config, file.Name), file.Content, 0o400, spec.UID()); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
	}
	content, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	if err := writeFile(filepath.Join(config, manifestName), content, 0o400, 0); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}

func (f files) makeDirectories(spec tenant.Spec, dataDirs []string) error {
	id, uid := spec.ID, spec.UID()
	if err := os.MkdirAll(f.data, 0o700); err != nil {
		return err
	}
	// The edge passes through here, by its group; nobody else does, whatever a tenant does to its own directory's mode.
	if err := directory(f.run, 0, f.group, 0o710); err != nil {
		return err
	}
	if err := directory(f.home(id), 0, 0, 0o700); err != nil {
		return err
	}
	if err := directory(f.config(id), uid, uid, 0o500); err != nil {
		return err
	}
	if err := f.makeVolume(spec); err != nil {
		return err
	}
	for _, dir := range append([]string{f.own(id)}, under(f.own(id), dataDirs)...) {
		if err := directory(dir, uid, uid, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// makeVolume makes what the tenant may write to, with its limit.
func (f files) makeVolume(spec tenant.Spec) error {
	if err := f.volumes.Make(f.volume(spec.ID, spec.Number)); err != nil {
		return err
	}
	if err := f.limit(spec); err != nil {
		return err
	}
	// Set-group-id: the socket made here belongs to the edge's group.
	return directory(f.sockets(spec.ID), spec.UID(), f.group, 0o750|fs.ModeSetgid)
}

// renewSockets makes the directory of the socket anew, for a container to be: nobody listens there. What a server has left
// goes, and a directory that was made before the limit could hold it.
func (f files) renewSockets(spec tenant.Spec) error {
	if err := os.RemoveAll(f.sockets(spec.ID)); err != nil {
		return fmt.Errorf("remove the old socket: %w", err)
	}
	return f.makeVolume(spec)
}

// limit bounds the tenant's volume.
func (f files) limit(spec tenant.Spec) error {
	if spec.Limits.DiskBytes == 0 {
		return nil // a server that makes a template
	}
	return f.volumes.Limit(f.volume(spec.ID, spec.Number), spec.Limits.DiskBytes)
}

// limited is the bound of the tenant's volume; where the file system has none, what is wanted is as good as there.
func (f files) limited(spec tenant.Spec) (int64, error) {
	if _, can := f.volumes.Limits(); !can {
		return spec.Limits.DiskBytes, nil
	}
	bytes, _, err := f.volumes.Limited(f.volume(spec.ID, spec.Number))
	return bytes, err
}

// directory makes a directory, or corrects owner and mode of one that is there. Its parent is ours or has just been
// made; a symbolic link in its place is refused, not followed.
func directory(path string, uid, gid int, mode fs.FileMode) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	opened, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return err
	}
	// What is right is left alone: in a volume that is full, even this would be refused.
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != uid || int(stat.Gid) != gid {
		if err := opened.Chown(uid, gid); err != nil {
			return err
		}
	} else if info.Mode() == mode|fs.ModeDir {
		return nil
	}
	return opened.Chmod(mode)
}

// writeFile replaces a file in one step, so that no reader ever sees half of it.
func writeFile(path string, content []byte, mode fs.FileMode, owner int) error {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.Chown(owner, owner); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// remove takes everything away. os.RemoveAll removes symbolic links themselves and never goes through one.
func (f files) remove(id tenant.ID, number int) error {
	if err := os.Remove(filepath.Join(f.config(id), manifestName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the manifest: %w", err)
	}
	if err := f.volumes.Remove(f.volume(id, number)); err != nil {
		return fmt.Errorf("remove the tenant's volume: %w", err)
	}
	for _, dir := range []string{f.home(id), f.sockets(id)} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the tenant's directories: %w", err)
		}
	}
	return nil
}

func goneIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (f files) list() ([]tenant.ID, error) {
	var ids []tenant.ID
	for _, dir := range []string{f.data, f.run} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list the tenants' directories: %w", err)
		}
		for _, e := range entries {
			if id, err := tenant.ParseID(e.Name()); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

func under(dir string, names []string) []string {
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = filepath.Join(dir, n)
	}
	return paths
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
