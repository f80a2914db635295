package provisioner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"hafen/tenant"
)

// attempt is one thing a tenant tries, and what came of it. See testdata/probe.
type attempt struct {
	Do     string `json:"do"`
	Target string `json:"target"`
	Error  string `json:"error"`
	Answer string `json:"answer"`
}

var probeBinary struct {
	sync.Once
	path string
	err  error
}

// probe builds the program once for all tests: static, because a tenant's image has no libraries.
func probe(t *testing.T) string {
	t.Helper()
	probeBinary.Do(func() {
		dir, err := os.MkdirTemp("", "hafen-probe")
		if err != nil {
			probeBinary.err = err
			return
		}
		probeBinary.path = filepath.Join(dir, "probe")
		build := exec.Command("go", "build", "-o", probeBinary.path, "./testdata/probe")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			probeBinary.err = fmt.Errorf("build the probe: %w: %s", err, out)
		}
	})
	must(t, probeBinary.err)
	return probeBinary.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if probeBinary.path != "" {
		os.RemoveAll(filepath.Dir(probeBinary.path))
	}
	os.Exit(code)
}

// inside makes a command that runs the probe in the tenant's own namespaces, as the tenant's user. The program is opened
// out here and executed by its descriptor, for the container's file system has none of it.
func (s *site) inside(t *testing.T, spec tenant.Spec, arguments ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Open(probe(t))
	must(t, err)
	t.Cleanup(func() { program.Close() })
	c, err := s.docker.ContainerInspect(t.Context(), spec.ID.Container())
	must(t, err)
	uid := strconv.Itoa(spec.UID())
	command := exec.CommandContext(t.Context(), "nsenter", append([]string{
		"--target", strconv.Itoa(c.State.Pid), "--mount", "--net", "--ipc", "--uts", "--pid", "--cgroup",
		"--setuid", uid, "--setgid", uid, "--", "/proc/self/fd/3",
	}, arguments...)...)
	command.ExtraFiles = []*os.File{program} // descriptor 3
	command.Env = []string{}
	return command
}

// try lets the tenant try, and gives the attempts with what came of each.
func (s *site) try(t *testing.T, spec tenant.Spec, list ...attempt) []attempt {
	t.Helper()
	question, err := json.Marshal(list)
	must(t, err)
	command := s.inside(t, spec)
	command.Stdin = bytes.NewReader(question)
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		t.Fatalf("run the probe: %v: %s", err, complaint.String())
	}
	must(t, json.Unmarshal(out.Bytes(), &list))
	return list
}

func expectRefused(t *testing.T, list []attempt) {
	t.Helper()
	for _, a := range list {
		if a.Error == "" {
			t.Errorf("a tenant could %s %s: %.80q", a.Do, a.Target, a.Answer)
		}
	}
}

func expectAllowed(t *testing.T, list []attempt) {
	t.Helper()
	for _, a := range list {
		if a.Error != "" {
			t.Errorf("a tenant could not %s %s: %s", a.Do, a.Target, a.Error)
		}
	}
}

// listener greets whoever connects to an address of this host, and counts them.
func listener(t *testing.T, address string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("greetings"))
			conn.Close()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// echo answers datagrams with what they hold.
func echo(t *testing.T, address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	go func() {
		datagram := make([]byte, 64)
		for {
			n, from, err := conn.ReadFrom(datagram)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(datagram[:n], from)
		}
	}()
}

// reachable proves that what a tenant is refused is there at all: this host gets the greeting.
func reachable(t *testing.T, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		conn, err := net.Dial("tcp", a)
		if err != nil {
			t.Fatalf("the test's own listener on %s does not answer: %v", a, err)
		}
		said, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || string(said) != "greetings" {
			t.Fatalf("the test's own listener on %s says %q, %v", a, said, err)
		}
	}
}

// elsewhere is a machine beyond this host's router, with listeners: a network namespace with addresses of every kind.
type elsewhere struct {
	public  string   // stands for the internet
	private []string // what no tenant may reach
}

const elsewherePort = 8080

func newElsewhere(t *testing.T) elsewhere {
	t.Helper()
	n := rand.IntN(1 << 16)
	name := fmt.Sprintf("hfe%04x", n)
	near, far := name+"a", name+"b"
	// 11.0.0.0/8 stands for the internet: it belongs to a ministry that announces none of it, and here it ends in the
	// namespace. The others are examples of their networks.
	public := fmt.Sprintf("11.77.%d.%d", n>>8, n&0xff)
	private := []string{
		fmt.Sprintf("10.177.%d.%d", n>>8, n&0xff), fmt.Sprintf("192.168.%d.%d", n>>8, n&0xff),
		fmt.Sprintf("172.31.%d.%d", n>>8, n&0xff), fmt.Sprintf("100.65.%d.%d", n>>8, n&0xff), "169.254.169.254",
	}
	ip(t, "netns", "add", name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	ip(t, "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
	ip(t, "link", "set", near, "up")
	ip(t, "addr", "add", "198.19.255.1/32", "peer", "198.19.255.2", "dev", near)
	ip(t, "-n", name, "link", "set", far, "up")
	ip(t, "-n", name, "link", "set", "lo", "up")
	ip(t, "-n", name, "addr", "add", "198.19.255.2/32", "peer", "198.19.255.1", "dev", far)
	ip(t, "-n", name, "route", "add", "default", "via", "198.19.255.1")
	for _, a := range append([]string{public}, private...) {
		ip(t, "-n", name, "addr", "add", a+"/32", "dev", "lo")
		ip(t, "route", "replace", a+"/32", "via", "198.19.255.2", "dev", near)
	}
	server := exec.CommandContext(t.Context(), "ip", "netns", "exec", name, probe(t), "0.0.0.0:"+strconv.Itoa(elsewherePort))
	serve(t, server)
	e := elsewhere{public: public, private: private}
	for _, a := range append([]string{public}, private...) {
		reachable(t, e.at(a))
	}
	return e
}

func (elsewhere) at(address string) string {
	return net.JoinHostPort(address, strconv.Itoa(elsewherePort))
}

// serve starts a probe that listens, and returns when it does.
func serve(t *testing.T, command *exec.Cmd) {
	t.Helper()
	input, err := command.StdinPipe() // it ends when this closes
	must(t, err)
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		input.Close()
		_ = command.Wait()
	})
	word := make([]byte, len("listening\n"))
	if _, err := io.ReadFull(out, word); err != nil || strings.TrimSpace(string(word)) != "listening" {
		t.Fatalf("the probe does not listen: %v", err)
	}
}

func ip(t *testing.T, arguments ...string) {
	t.Helper()
	if out, err := exec.Command("ip", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", arguments, err, out)
	}
}
