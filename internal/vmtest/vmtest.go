// Package vmtest runs a package's tests in a virtual machine, on a kernel that can what this machine's may not.
//
// [Run] compiles the tests of the package that calls it, puts them into an initial RAM disk as its only program, boots
// Debian's kernel (scripts/setup --tests fetches it) on it in QEMU and passes on what they print. There, [Main] is the
// first process: it mounts what tests need, runs them, tells the result and turns the machine off.
package vmtest

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Disk is a disk of the machine: the file that holds it, and the name under which [Device] finds it, of 20 letters at most.
type Disk struct{ Name, File string }

// The last line of a machine whose tests passed.
const passed = "vmtest: passed"

// Longest is what a machine gets until it is given up. Emulated, it takes some 20 seconds.
const longest = 5 * time.Minute

// Run runs those tests of the calling package whose names match, and fails unless at least one ran and all passed.
func Run(t *testing.T, match string, disks ...Disk) {
	t.Helper()
	dir := t.TempDir()
	tests := filepath.Join(dir, "tests")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", tests, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // nothing there but this one file
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compile the tests: %v\n%s", err, out)
	}
	kernel, modules := findKernel(t)
	initial := filepath.Join(dir, "initial")
	if err := writeInitial(initial, tests, modules); err != nil {
		t.Fatal(err)
	}
	out := boot(t, kernel, initial, match, disks)
	if !strings.Contains(out, passed) || !regexp.MustCompile(`(?m)^--- PASS: `).MatchString(out) {
		t.Fatalf("in the virtual machine:\n%s", out)
	}
	t.Logf("in the virtual machine:\n%s", out)
}

func boot(t *testing.T, kernel, initial, match string, disks []Disk) string {
	t.Helper()
	arguments := []string{
		// Emulated everywhere: virtualized, it would take a few seconds less, and where /dev/kvm is there and does not work it
		// hangs, too late for QEMU to think better of it.
		"-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-no-user-config",
		"-display", "none", "-serial", "stdio", "-no-reboot", // a kernel that panics ends the machine
		"-kernel", kernel, "-initrd", initial,
		"-append", "console=ttyS0 quiet panic=-1 -- -test.v -test.run=" + match,
	}
	for _, d := range disks {
		arguments = append(arguments,
			"-drive", "if=none,format=raw,cache=unsafe,id="+d.Name+",file="+d.File,
			"-device", "virtio-blk-pci,drive="+d.Name+",serial="+d.Name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", arguments...)
	// A machine does not survive its test. The kernel goes by the thread that started it: see prctl(2), PR_SET_PDEATHSIG.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	qemu.Stdout, qemu.Stderr = &out, &out
	if err := qemu.Run(); err != nil {
		t.Fatalf("run the virtual machine (scripts/setup --tests installs it): %v\n%s", err, out.String())
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

// findKernel finds what scripts/setup has unpacked: a kernel, and the directory of its modules.
func findKernel(t *testing.T) (kernel, modules string) {
	t.Helper()
	root := cache(t)
	kernels, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		t.Fatalf("there are %d kernels in %s (%v): scripts/setup --tests fetches one", len(kernels), root, err)
	}
	return kernels[0], filepath.Join(root, "lib", "modules", strings.TrimPrefix(filepath.Base(kernels[0]), "vmlinuz-"))
}

// cache is the directory of the kernel, in the repository that the tests are in.
func cache(t *testing.T) string {
	t.Helper()
	dir := cmp.Or(os.Getenv("HAFEN_CACHE"), ".cache")
	if filepath.IsAbs(dir) {
		return filepath.Join(dir, "kernel")
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("look for the module: %v", err)
	}
	return filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), dir, "kernel")
}
