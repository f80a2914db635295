package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hafen/images"
	"hafen/internal/disktest"
	"hafen/internal/pgtest"
)

// healthy and ill run one check in a good and in a bad world.
func healthy(t *testing.T, c check, says string) {
	t.Helper()
	found, err := c.look(t.Context())
	if err != nil || !strings.Contains(found, says) {
		t.Errorf("%s: found %q, error %v; want %q", c.name, found, err, says)
	}
}

func ill(t *testing.T, c check, says ...string) {
	t.Helper()
	found, err := c.look(t.Context())
	if err == nil {
		t.Fatalf("%s: found %q, want an error", c.name, found)
	}
	for _, words := range append(says, "mend it with: ") {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error does not say %q: %v", c.name, words, err)
		}
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	healthy(t, rootCheck(0), "root")
	ill(t, rootCheck(1000), "sudo")
}

func TestDocker(t *testing.T) {
	t.Parallel()
	healthy(t, dockerCheck(os.Getenv("DOCKER_HOST")), "API 1.")
	ill(t, dockerCheck("unix:///nonexistent/docker.sock"), "no daemon answers at unix:///nonexistent/docker.sock", "scripts/setup")
	ill(t, dockerCheck("nonsense"), "unset DOCKER_HOST")
	ill(t, imageCheck("unix:///nonexistent/docker.sock", images.Synapse, imageSettings{}), "Docker does not answer")
}

func TestImage(t *testing.T) {
	t.Parallel()
	for _, engine := range images.Engines() {
		healthy(t, imageCheck(os.Getenv("DOCKER_HOST"), engine, imageSettings{}), "sha256:")
	}
	own := imageReference("registry.example/synapse@sha256:" + strings.Repeat("0", 64))
	ill(t, imageCheck(os.Getenv("DOCKER_HOST"), images.Synapse, imageSettings{SynapseImage: own}), string(own)+" is not there", "make images")
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	healthy(t, databaseCheck(pgtest.Cluster(t).DSN), "server 1")
	healthy(t, postgresCheck(filepath.Join(t.TempDir(), "postgres")), "version 1")
	old := t.TempDir()
	if err := os.WriteFile(filepath.Join(old, "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ill(t, postgresCheck(old), "made by PostgreSQL 9", "apt-get install postgresql-9")
	unreachable := "postgres://hafen:secret@/hafen?host=/nonexistent&sslmode=disable"
	ill(t, databaseCheck(unreachable), "/nonexistent", "DATABASE_URL")
	if _, err := databaseCheck(unreachable).look(t.Context()); strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is shown: %v", err)
	}
}

func TestSocket(t *testing.T) {
	t.Parallel()
	healthy(t, socketCheck("/tmp/hafen/run/pg"), "/tmp")
	ill(t, socketCheck("/tmp/"+strings.Repeat("x", 100)), "Linux allows 107")
	// The directory above the test's own is for its user alone.
	closed := filepath.Dir(t.TempDir())
	ill(t, socketCheck(filepath.Join(closed, "001", "pg")), "cannot pass the directory "+closed)
}

func TestDataDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	healthy(t, dataCheck(dir), dir)
	healthy(t, dataCheck(filepath.Join(dir, "not", "yet")), "not/yet")
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ill(t, dataCheck(file), "is a file")
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatalf("mount a read-only file system: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	ill(t, dataCheck(filepath.Join(dir, "not", "yet")), "cannot write to "+dir)
}

func TestDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	healthy(t, diskCheck(dir), "GB free")
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	ill(t, diskCheck(filepath.Join(dir, "not", "yet")), "only 0.0 GB free")
}

func TestDiskLimits(t *testing.T) {
	t.Parallel()
	healthy(t, floorCheck(filepath.Join(disktest.Btrfs(t, 256<<20), "not", "yet")), "btrfs")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("mount a file system without limits: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	ill(t, floorCheck(dir), "put HAFEN_DATA on one of these")
	ill(t, floorCheck(filepath.Join(dir, "not", "yet")), "not on btrfs, ext4 or XFS")
	ext4 := disktest.Ext4(t, 64<<20)
	ill(t, floorCheck(ext4), "umount "+ext4+" && tune2fs -O project,quota -Q prjquota /dev/loop", "mount -o prjquota /dev/loop", "/etc/fstab")
}

func TestProcessorLimits(t *testing.T) {
	t.Parallel()
	healthy(t, processorCheck(""), "control groups version")
	ill(t, processorCheck("postgres:///?host=/run/postgresql"), "not Hafen's to sort")
}

func TestFirewall(t *testing.T) {
	t.Parallel()
	healthy(t, firewallCheck("nft"), "rules can be set")
	ill(t, firewallCheck("hafen-has-no-nft"), "apt-get install nftables")
	ill(t, firewallCheck("false"), "exit status 1")
}

func TestBridgeFilter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ill(t, bridgeCheck(dir), "modprobe br_netfilter")
	set := func(v4, v6 string) {
		t.Helper()
		for name, value := range map[string]string{"bridge-nf-call-iptables": v4, "bridge-nf-call-ip6tables": v6} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	set("1", "1")
	healthy(t, bridgeCheck(dir), "pass the firewall")
	set("0", "1")
	ill(t, bridgeCheck(dir), "sysctl -w net.bridge.bridge-nf-call-iptables=1")
	set("1", "0")
	ill(t, bridgeCheck(dir), "sysctl -w net.bridge.bridge-nf-call-ip6tables=1")
}

func TestPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	// The holder is this very program, so the port counts as Hafen's own.
	healthy(t, portCheck(port), "held by the running Hafen")
	if held := listenerOn(port); held.pid != os.Getpid() {
		t.Errorf("holder is process %d, want %d", held.pid, os.Getpid())
	}
	listener.Close()
	healthy(t, portCheck(port), "free")
}

const holdPort = "HAFEN_TEST_HOLD_PORT"

// TestPortOfAnotherProgram lets a copy of this program take a port: another executable to all who look.
func TestPortOfAnotherProgram(t *testing.T) {
	if os.Getenv(holdPort) != "" {
		listener, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%d\n", listener.Addr().(*net.TCPAddr).Port)
		io.Copy(io.Discard, os.Stdin) // until the other test closes it
		return
	}
	t.Parallel()
	copied := filepath.Join(t.TempDir(), "webserver")
	// Another program writes the copy: were it ours, a child forked meanwhile would hold it open and it could not run.
	if output, err := exec.Command("cp", ownProgram(), copied).CombinedOutput(); err != nil {
		t.Fatalf("copy this program: %v: %s", err, output)
	}
	other := exec.Command(copied, "-test.run=^TestPortOfAnotherProgram$")
	other.Env = append(os.Environ(), holdPort+"=1")
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer stdin.Close()
	var port int
	if _, err := fmt.Fscan(stdout, &port); err != nil {
		t.Fatal(err)
	}
	ill(t, portCheck(port), "taken by webserver", fmt.Sprintf("kill %d", other.Process.Pid))
}

func TestLoopbackName(t *testing.T) {
	t.Parallel()
	healthy(t, loopbackCheck("localhost"), "this machine")
	_, err := loopbackCheck("hafen.invalid").look(t.Context())
	var found ailment
	if !errors.As(err, &found) || !found.hint {
		t.Errorf("got %v, want a hint", err)
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	good := check{"good", rootCheck(0).look}
	hint := check{"name", loopbackCheck("hafen.invalid").look}
	bad := check{"bad", rootCheck(1).look}
	var output bytes.Buffer
	if err := examine(t.Context(), &output, []check{good, hint}); err != nil {
		t.Errorf("a hint counts as wrong: %v", err)
	}
	err := examine(t.Context(), &output, []check{good, bad})
	if err == nil || err.Error() != "1 of 2 prerequisites are missing" {
		t.Errorf("error %v", err)
	}
	for _, begin := range []string{"ok     good: ", "hint   name: ", "WRONG  bad: "} {
		if !strings.Contains(output.String(), begin) {
			t.Errorf("no line %q in\n%s", begin, output.String())
		}
	}
	if lines := strings.Count(output.String(), "\n"); lines != 4 {
		t.Errorf("%d lines, want one for each check\n%s", lines, output.String())
	}
}
