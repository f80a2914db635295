// Package hafentest runs a real Hafen for tests: the real program, with its own data, ports, PostgreSQL cluster, bridges and
// firewall table, beside any number of others on one machine. What it makes is removed when the test ends, whatever happened.
//
// The website, clients and servers are reached as a person reaches them: through the edge, by name, with certificates of
// the trial's authority.
package hafentest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Hafen is one installation.
type Hafen struct {
	Data           string
	Base           string // base domain
	HTTP           int    // ports
	HTTPS          int
	Federation     int
	Gateway        string         // where tenants reach the edge
	Site           string         // URL of the website; a trial's when empty
	Roots          *x509.CertPool // authorities to trust; the trial's own when nil
	bridge, subnet string
	t              testing.TB
	program        string
	env            []string
}

// Option changes an installation before it is started.
type Option func(*Hafen)

// Env sets environment variables ("HAFEN_METER=1s") of every process of the installation.
func Env(pairs ...string) Option { return func(h *Hafen) { h.env = append(h.env, pairs...) } }

// New prepares an installation without starting anything.
func New(t testing.TB, options ...Option) *Hafen {
	t.Helper()
	// Short, for the sockets in it; not t.TempDir, which is not.
	data, err := os.MkdirTemp("/tmp", "ht")
	if err != nil {
		t.Fatal(err)
	}
	// The cluster runs as an unprivileged user, who must get to its directory.
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	h := &Hafen{t: t, Data: data, Base: "hafen.localhost", program: Program(t)}
	ports := freePorts(t, 3)
	h.HTTP, h.HTTPS, h.Federation = ports[0], ports[1], ports[2]
	h.drawNetwork()
	for _, option := range options {
		option(h)
	}
	t.Cleanup(h.remove)
	return h
}

// Up starts `hafen up` and waits until the front page is there.
func Up(t testing.TB, options ...Option) *Hafen {
	t.Helper()
	h := New(t, options...)
	h.Start("up")
	h.AwaitFrontPage()
	return h
}

var build struct {
	sync.Once
	path string
	err  error
}

// Program is the path of the hafen program, built from this checkout with the crash hook of kill -9 tests.
func Program(t testing.TB) string {
	t.Helper()
	build.Do(func() {
		removeStalePrograms()
		build.path = filepath.Join(Root(), ".cache", "hafen-crash-"+strconv.Itoa(os.Getpid()))
		command := exec.Command("go", "build", "-tags", "crash", "-o", build.path, "./cmd/hafen")
		command.Dir = Root()
		if out, err := command.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("build hafen: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// removeStalePrograms removes what test processes that have ended had built: 60 MB each.
func removeStalePrograms() {
	programs, _ := filepath.Glob(filepath.Join(Root(), ".cache", "hafen-crash-*"))
	for _, program := range programs {
		_, pid, _ := strings.Cut(filepath.Base(program), "hafen-crash-")
		if _, err := os.Stat(filepath.Join("/proc", pid)); errors.Is(err, os.ErrNotExist) {
			os.Remove(program) // best effort: another test process may be at it too
		}
	}
}

// Root is the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Process is one running role.
type Process struct {
	h    *Hafen
	role string
	cmd  *exec.Cmd
	out  *log
	done chan struct{}
	err  error
}

// Start starts a role: up, web, controlplane or edge. extra are environment variables for it alone.
func (h *Hafen) Start(role string, extra ...string) *Process {
	h.t.Helper()
	p := &Process{h: h, role: role, out: &log{}, done: make(chan struct{})}
	p.cmd = h.command(role, extra...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		h.t.Fatalf("start %s: %v", role, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	h.t.Cleanup(func() {
		p.Kill()
		if h.t.Failed() {
			h.t.Logf("log of %s:\n%s", role, p.out)
		}
	})
	return p
}

func (h *Hafen) command(role string, extra ...string) *exec.Cmd {
	command := exec.Command(h.program, role)
	command.Dir = Root()
	command.Env = append(os.Environ(),
		"DATABASE_URL=", "HAFEN_DATA="+h.Data, "HAFEN_BASE_DOMAIN="+h.Base, "HAFEN_HTTP_PORT="+strconv.Itoa(h.HTTP),
		"HAFEN_HTTPS_PORT="+strconv.Itoa(h.HTTPS), "HAFEN_FEDERATION_PORT="+strconv.Itoa(h.Federation),
		"HAFEN_BRIDGE="+h.bridge, "HAFEN_SUBNET="+h.subnet, "HAFEN_LISTEN=127.0.0.1",
		// Making them costs an installation more processor time than most tests; those that are about them say so.
		"HAFEN_TEMPLATES=false")
	command.Env = append(append(command.Env, h.env...), extra...)
	return command
}

// Run runs a command of the program to its end and gives what it printed.
func (h *Hafen) Run(arguments ...string) (string, error) {
	command := h.command(arguments[0])
	command.Args = append(command.Args[:1], arguments...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// Kill is kill -9, and waits for the end.
func (p *Process) Kill() {
	p.cmd.Process.Kill() // fails only when it has ended
	<-p.done
}

// Interrupt is Ctrl-C. It waits for the end and gives the exit error.
func (p *Process) Interrupt() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return p.Wait(30 * time.Second)
}

// Wait waits for the process to end by itself.
func (p *Process) Wait(atMost time.Duration) error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(atMost):
		p.Kill()
		return fmt.Errorf("%s did not end within %s", p.role, atMost)
	}
}

// Ended reports whether the process has ended, however.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Killed reports whether the process ended by SIGKILL.
func (p *Process) Killed() bool {
	exit, ok := errors.AsType[*exec.ExitError](p.err)
	return ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

// Output is what the process printed so far.
func (p *Process) Output() string { return p.out.String() }

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// URL of the website. In a trial it is plain HTTP.
func (h *Hafen) URL() string {
	if h.Site != "" {
		return h.Site
	}
	return "http://" + net.JoinHostPort(h.Base, strconv.Itoa(h.HTTP))
}

// AwaitFrontPage waits until the website answers.
func (h *Hafen) AwaitFrontPage() {
	h.t.Helper()
	h.Await(60*time.Second, "front page", func() error {
		// One of its own each time: what sells has a certificate of an authority that the first start has just made.
		answer, err := h.HTTPClient().Get(h.URL() + "/")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	})
}

// Await repeats try until it returns nil.
func (h *Hafen) Await(atMost time.Duration, what string, try func() error) {
	h.t.Helper()
	deadline := time.Now().Add(atMost)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s not there after %s: %v", what, atMost, err)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// Dial connects to the edge whatever the name, as the trial's names all lead to this machine.
func (h *Hafen) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// Authority is the certificate authority that clients trust.
func (h *Hafen) Authority() *x509.CertPool {
	if h.Roots != nil {
		return h.Roots
	}
	pem, err := os.ReadFile(filepath.Join(h.Data, "ca", "root.crt"))
	pool := x509.NewCertPool()
	if err == nil {
		pool.AppendCertsFromPEM(pem)
	}
	return pool
}

// HTTPClient trusts the trial's authority and finds its names.
func (h *Hafen) HTTPClient() *http.Client {
	return &http.Client{
		Timeout:   60 * time.Second,
		Transport: &http.Transport{DialContext: h.Dial, TLSClientConfig: &tls.Config{RootCAs: h.Authority()}, ForceAttemptHTTP2: true},
	}
}

// DSN is the superuser's address of a database of the installation's cluster.
func (h *Hafen) DSN(database string) string {
	return fmt.Sprintf("postgres://hafen@/%s?host=%s&sslmode=disable", database, filepath.Join(h.Data, "run", "pg"))
}

// Query reads one value from Hafen's own database.
func Query[T any](h *Hafen, sql string, arguments ...any) T {
	h.t.Helper()
	var value T
	conn, err := pgx.Connect(h.t.Context(), h.DSN("hafen"))
	if err != nil {
		h.t.Fatalf("connect to the installation's database: %v", err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(h.t.Context(), sql, arguments...).Scan(&value); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// Exec changes Hafen's own database: to make time pass, for example.
func (h *Hafen) Exec(sql string, arguments ...any) {
	h.t.Helper()
	conn, err := pgx.Connect(h.t.Context(), h.DSN("hafen"))
	if err != nil {
		h.t.Fatalf("connect to the installation's database: %v", err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(h.t.Context(), sql, arguments...); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
}
