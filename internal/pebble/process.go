package pebble

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

const module = "github.com/letsencrypt/pebble/v2/cmd/pebble"

// Parallel tests of one process build once; processes beside each other may both build, which only costs time.
var building sync.Mutex

// build makes the program, or finds it made: its name holds a digest of what it is made from.
func build(ctx context.Context) (string, error) {
	building.Lock()
	defer building.Unlock()
	gomod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(gomod)))
	source := filepath.Join(root, "internal", "pebble", "build")
	digest := sha256.New()
	fmt.Fprintln(digest, runtime.Version(), runtime.GOARCH)
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", fmt.Errorf("read what to build: %w", err)
		}
		digest.Write(b)
	}
	cache := filepath.Join(root, ".cache")
	program := filepath.Join(cache, "pebble-"+hex.EncodeToString(digest.Sum(nil)[:8]))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	// Built aside and renamed: several test processes may do this at once, and none may run a half-written file.
	dir, err := os.MkdirTemp(cache, "pebble-build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "pebble")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", made, module)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", module, err, out)
	}
	return program, os.Rename(made, program)
}

// run starts the program. exited closes when it ended; stop kills it and waits.
func run(program string, args, env []string, log io.Writer) (exited <-chan struct{}, stop func(), err error) {
	cmd := exec.Command(program, args...) // without a context: it lives until stop, longer than the call that starts it
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	// Killed with us. The kernel sends this signal when the *thread* that forked ends, hence the locked one below,
	// which lives as long as the process.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it only ever ends by our signal or with a message in its log
		}
		close(done)
	}()
	if err := <-started; err != nil {
		return nil, nil, err
	}
	return done, func() {
		_ = cmd.Process.Kill()
		<-done
	}, nil
}

// syncBuffer is written by the process's output and read by the test.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
