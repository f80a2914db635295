package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// synapsePackages are those of the distribution that Synapse's image is made from; apt adds what they need. psycopg2 is
// among them because it has no wheel: the wheel of psycopg2-binary brings a libpq and an OpenSSL of its own, which get no
// security updates from the distribution, and its authors advise against it. Pip's package only helps to build.
var synapsePackages = []string{"python3-minimal", "libpython3-stdlib", "python3-psycopg2", "libjemalloc2", "python3-pip-whl"}

// synapseEnvironment is how Python starts.
var synapseEnvironment = []string{
	"PATH=/usr/bin",
	"LD_PRELOAD=libjemalloc.so.2", // found by its name: its directory differs between architectures
	// After pictures were looked at a small server keeps 130 MB this way, 173 MB with jemalloc's own settings and 150 MB
	// without it: threads share one arena, and what they free goes back to the kernel without waiting for the next call.
	"MALLOC_CONF=narenas:1,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0",
	"PYTHONDONTWRITEBYTECODE=1", // the root is read-only
	"PYTHONUNBUFFERED=1",
	"PYTHONNOUSERSITE=1",
	"PYTHONSAFEPATH=1",
	"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", // the OpenSSL inside the wheels knows no place
	// Twisted keeps a request's body there while it arrives; /tmp is memory, and small. Where it is missing /tmp is used.
	"TMPDIR=/data/tmp",
}

// What the image is made from, in Recipe.Source.
const (
	synapseRequirements = "synapse/requirements.txt"
	synapseStart        = "synapse/start.py"
)

// Places in the tree.
const (
	libraries = "usr/lib"
	modules   = "usr/lib/python3/dist-packages" // a place Debian's Python looks at
)

// planSynapse says how the tree is laid out. Its key covers the distribution's packages and the wheels.
func (r Recipe) planSynapse(ctx context.Context) (plan, error) {
	var inputs [2][]byte
	for i, name := range []string{synapseRequirements, synapseStart} {
		content, err := r.read(name)
		if err != nil {
			return plan{}, err
		}
		inputs[i] = content
	}
	debian := packages{names: synapsePackages, state: filepath.Join(r.Cache, "apt")}
	pinned, err := debian.pinned(ctx)
	if err != nil {
		return plan{}, err
	}
	const layout = 2 // raised whenever the tree's form changes
	hash := sha256.New()
	fmt.Fprintf(hash, "layout %d\n%s%s%s", layout, pinned, inputs[0], inputs[1])
	return plan{
		key: hex.EncodeToString(hash.Sum(nil))[:32],
		make: func(ctx context.Context, output string) error {
			t := tree{source: r.Source, root: output, work: filepath.Dir(output)}
			return t.make(ctx, debian)
		},
		layers: synapseLayers,
	}, nil
}

func synapseLayers(made string) ([]layer, error) {
	distribution, err := walk(made, ".", modules)
	if err != nil {
		return nil, err
	}
	wheels, err := walk(made, modules, "")
	if err != nil {
		return nil, err
	}
	return []layer{
		{name: "Python and libraries of the distribution", entries: distribution},
		{name: "Synapse " + SynapseVersion, entries: wheels},
	}, nil
}

// tree is a root directory that is being made, and the directory for what is needed only meanwhile.
type tree struct {
	source, root, work string
	python             string // "python3.11"
}

func (t *tree) make(ctx context.Context, debian packages) error {
	debs := filepath.Join(t.work, "packages")
	if err := debian.download(ctx, debs); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := unpack(ctx, archive, t.root, wanted); err != nil {
			return err
		}
	}
	for _, link := range [][2]string{{"lib", "usr/lib"}, {"lib64", "usr/lib64"}} {
		if err := os.Symlink(link[1], filepath.Join(t.root, link[0])); err != nil {
			return err
		}
	}
	if err := t.findPython(); err != nil {
		return err
	}
	if err := t.install(ctx); err != nil {
		return err
	}
	if err := t.prune(); err != nil {
		return err
	}
	return t.compile(ctx)
}

// wanted is the place in the tree of a package's file: Python, shared libraries, and for building pip.
func wanted(name string) string {
	for _, top := range []string{"lib/", "lib64/"} {
		if strings.HasPrefix(name, top) {
			name = "usr/" + name // as in every distribution of today
		}
	}
	for _, pattern := range []string{
		"usr/bin/python3.*[0-9]", "usr/lib/*-linux-gnu*/*.so*", "usr/lib64/ld-linux-*", "usr/lib/ld-linux-*", "usr/share/python-wheels/pip-*.whl",
	} {
		if ok, _ := path.Match(pattern, name); ok {
			return name
		}
	}
	for _, below := range []string{"usr/lib/python3.", modules + "/"} {
		if strings.HasPrefix(name, below) {
			return name
		}
	}
	return ""
}

func (t *tree) findPython() error {
	found, err := t.only("usr/bin/python3.*")
	if err != nil {
		return err
	}
	t.python = filepath.Base(found)
	return os.Symlink(t.python, filepath.Join(t.root, "usr/bin/python3"))
}

// install puts the wheels into the tree with the distribution's pip, which checks their hashes and builds nothing, and the
// program that starts Synapse.
func (t *tree) install(ctx context.Context) error {
	pip, err := t.only("usr/share/python-wheels/pip-*.whl")
	if err != nil {
		return err
	}
	_, err = t.run(ctx, filepath.Join(pip, "pip"), "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile", "--no-deps",
		"--only-binary", ":all:", "--require-hashes", "--requirement", filepath.Join(t.source, synapseRequirements), "--target", filepath.Join(t.root, modules)).Output()
	if err != nil {
		return fmt.Errorf("install the wheels: %w%s", err, said(err))
	}
	start, err := os.Open(filepath.Join(t.source, synapseStart))
	if err != nil {
		return err
	}
	defer start.Close()
	return create(filepath.Join(t.root, modules, "hafen_start.py"), start, 0o644)
}

// compile makes the bytecode. Its files are tied to their sources by nothing that a start would have to check, and name
// the sources as they are called in the image.
func (t *tree) compile(ctx context.Context) error {
	_, err := t.run(ctx, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash",
		"-s", t.root, "-p", "/", filepath.Join(t.root, libraries)).Output()
	if err != nil {
		return fmt.Errorf("make the bytecode: %w%s", err, said(err))
	}
	return nil
}

// run is a call of the tree's own Python, whichever the machine has.
func (t *tree) run(ctx context.Context, arguments ...string) *exec.Cmd {
	loader, directory, err := t.loader()
	command := exec.CommandContext(ctx, loader, append([]string{"--library-path", directory, filepath.Join(t.root, "usr/bin", t.python)}, arguments...)...)
	command.Err = errors.Join(command.Err, err)
	command.Dir = t.work
	command.Env = append(os.Environ(), "PYTHONHOME="+filepath.Join(t.root, "usr"), "PYTHONDONTWRITEBYTECODE=1", "PYTHONNOUSERSITE=1",
		"PYTHONHASHSEED=0", // the order of sets would show in the bytecode
		"LD_PRELOAD=", "PYTHONPATH=")
	return command
}

// loader is the tree's dynamic loader, and the directory of its libraries.
func (t *tree) loader() (loader, directory string, err error) {
	loader, err = t.only("usr/lib/*-linux-gnu*/ld-linux-*.so.*")
	return loader, filepath.Dir(loader), err
}

// only is the one file of the tree that a pattern means.
func (t *tree) only(pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(t.root, pattern))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("the distribution's packages have %d files %s", len(found), pattern)
	}
	return found[0], nil
}
