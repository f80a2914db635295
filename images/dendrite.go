package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// program is the package the binary is made from; dendrite/go.mod pins its version and those of all it needs.
const program = "github.com/element-hq/dendrite/cmd/dendrite"

// flags make the binary static, small and free of the paths and the version control of the machine that compiled it.
var flags = []string{"-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w -buildid="}

// binary is what will be compiled and the hash that names the result.
type binary struct{ dir, key string }

func (r Recipe) plan(ctx context.Context) (binary, error) {
	dir := filepath.Join(r.Source, "dendrite")
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return binary{}, fmt.Errorf("read what the tenant image is made from: %w; the image is built in a checkout of Hafen", err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
	}
	release, err := goCommand(ctx, dir, "env", "GOVERSION").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return binary{}, fmt.Errorf("find the Go compiler: %w; mend it by putting its directory into PATH", err)
	}
	if err != nil {
		return binary{}, fmt.Errorf("ask for the Go release: %w%s", err, said(err))
	}
	fmt.Fprintf(hash, "%s linux/%s\n%s\n", bytes.TrimSpace(release), runtime.GOARCH, strings.Join(flags, "\n"))
	return binary{dir: dir, key: hex.EncodeToString(hash.Sum(nil))[:32]}, nil
}

// compile returns the cached binary, after making it when it is not there.
func (r Recipe) compile(ctx context.Context, wanted binary) (path string, err error) {
	cache, err := filepath.Abs(r.Cache)
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	path = filepath.Join(cache, "dendrite-"+wanted.key)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache directory: %w", err)
	}
	r.Log.Info("compiling Dendrite; this takes a minute or two, once", "version", Version)
	unfinished, err := os.MkdirTemp(cache, "compiling-")
	if err != nil {
		return "", fmt.Errorf("compile Dendrite: %w", err)
	}
	defer os.RemoveAll(unfinished)
	output := filepath.Join(unfinished, "dendrite")
	arguments := append([]string{"build", "-o", output}, flags...)
	if _, err := goCommand(ctx, wanted.dir, append(arguments, program)...).Output(); err != nil {
		return "", fmt.Errorf("compile Dendrite %s: %w%s", Version, err, said(err))
	}
	if err := os.Rename(output, path); err != nil {
		return "", fmt.Errorf("keep the compiled Dendrite: %w", err)
	}
	return path, nil
}

// goCommand runs the Go tool with the caller's module cache and proxy, but without flags that would change the result.
func goCommand(ctx context.Context, dir string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	return command
}

// said is the end of what a failed command printed.
func said(err error) string {
	var failure *exec.ExitError
	if !errors.As(err, &failure) {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(failure.Stderr)), "\n")
	const shown = 8 // the compiler stops after ten errors; the first lines name downloads
	if len(lines) > shown {
		lines = lines[len(lines)-shown:]
	}
	return ": " + strings.Join(lines, "; ")
}

func (r Recipe) certificates() ([]byte, error) {
	bundle, err := os.ReadFile(r.Certificates)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the trusted certificate authorities: %w; mend it with: apt-get install ca-certificates", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the trusted certificate authorities: %w", err)
	}
	return bundle, nil
}

// imageKey names an image: layout is raised whenever the archive's form changes.
func imageKey(binaryKey string, certificates []byte) string {
	const layout = 1
	hash := sha256.New()
	fmt.Fprintf(hash, "layout %d\nbinary %s\n", layout, binaryKey)
	hash.Write(certificates)
	return hex.EncodeToString(hash.Sum(nil))[:32]
}
