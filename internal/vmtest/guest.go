package vmtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Inside reports whether this is the virtual machine.
func Inside() bool { return os.Getpid() == 1 }

// Main runs a package's tests, here or in the virtual machine. It is for TestMain and does not return.
func Main(m *testing.M) {
	if !Inside() {
		os.Exit(m.Run())
	}
	err := prepare()
	if err == nil && m.Run() == 0 {
		fmt.Println(passed)
	} else {
		fmt.Println("vmtest: failed:", err)
	}
	// The first process never ends. This needs no unmounting: nobody reads the disks again.
	fmt.Println("vmtest: turn off:", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
	select {}
}

func prepare() error {
	for dir, kind := range map[string]string{"/dev": "devtmpfs", "/proc": "proc", "/sys": "sysfs", "/tmp": "tmpfs"} {
		if err := unix.Mount(kind, dir, kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	modules, err := filepath.Glob("/*.ko") // in their order
	if err != nil {
		return err
	}
	for _, path := range modules {
		module, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := unix.InitModule(module, ""); err != nil {
			return fmt.Errorf("load a module: %w", err)
		}
	}
	return nil
}

// Device is the disk of this name, in the virtual machine.
func Device(t testing.TB, name string) string {
	t.Helper()
	serials, err := filepath.Glob("/sys/block/*/serial")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range serials {
		serial, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(serial)) == name {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(path)))
		}
	}
	t.Fatalf("there is no disk %s", name)
	return ""
}

// Mount mounts the file system on a disk until the test ends, in the virtual machine.
func Mount(t testing.TB, disk, kind, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(Device(t, disk), dir, kind, 0, options); err != nil {
		t.Fatalf("mount %s with %q: %v", disk, options, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", disk, err)
		}
	})
	return dir
}
