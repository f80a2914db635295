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

// planDendrite says how the binary is compiled. Its key covers the module and the compiler.
func (r Recipe) planDendrite(ctx context.Context) (plan, error) {
	dir := filepath.Join(r.Source, "dendrite")
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := r.read(filepath.Join("dendrite", name))
		if err != nil {
			return plan{}, err
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
	}
	release, err := goCommand(ctx, dir, "env", "GOVERSION").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return plan{}, fmt.Errorf("find the Go compiler: %w; mend it by putting its directory into PATH", err)
	}
	if err != nil {
		return plan{}, fmt.Errorf("ask for the Go release: %w%s", err, said(err))
	}
	fmt.Fprintf(hash, "%s linux/%s\n%s\n", bytes.TrimSpace(release), runtime.GOARCH, strings.Join(flags, "\n"))
	return plan{
		key: hex.EncodeToString(hash.Sum(nil))[:32],
		make: func(ctx context.Context, output string) error {
			arguments := append([]string{"build", "-o", output}, flags...)
			if _, err := goCommand(ctx, dir, append(arguments, program)...).Output(); err != nil {
				return fmt.Errorf("compile: %w%s", err, said(err))
			}
			return nil
		},
		layers: func(made string) ([]layer, error) {
			binary, err := file("usr/bin/dendrite", made)
			return []layer{{name: "Dendrite " + DendriteVersion, entries: []entry{directory("usr/", 0o755), directory("usr/bin/", 0o755), binary}}}, err
		},
	}, nil
}

// read gives a file of Source.
func (r Recipe) read(name string) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(r.Source, name))
	if err != nil {
		return nil, fmt.Errorf("read what the tenant image is made from: %w; the image is built in a checkout of Hafen", err)
	}
	return content, nil
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

// imageKey names an image by what is in it: layout is raised whenever the archive's form changes.
func imageKey(madeKey string, certificates []byte) string {
	const layout = 1
	hash := sha256.New()
	fmt.Fprintf(hash, "layout %d\nbinary %s\n", layout, madeKey)
	hash.Write(certificates)
	return hex.EncodeToString(hash.Sum(nil))[:32]
}
