package stripe_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// startMock builds Stripe's own stripe-mock, which knows the shape of every request, from our tools and starts it, once; it ends
// with the tests. It returns where it is.
var (
	startMock = sync.OnceValue(func() string {
		address, stop := runMock()
		stopMock = stop
		return address
	})
	stopMock = func() {}
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopMock()
	os.Exit(code)
}

func runMock() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "stripe-mock")
	if err != nil {
		panic(err)
	}
	program := filepath.Join(dir, "stripe-mock")
	build := exec.Command("go", "build", "-modfile=tools/go.mod", "-o", program, "github.com/stripe/stripe-mock")
	build.Dir = "../../.."
	if said, err := build.CombinedOutput(); err != nil {
		panic("build stripe-mock: " + err.Error() + ": " + string(said))
	}
	server := exec.Command(program, "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0") // it has a fixed port for what is not named
	out, err := server.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := server.Start(); err != nil {
		panic(err)
	}
	stop = func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		_ = os.RemoveAll(dir)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, address, found := strings.Cut(lines.Text(), "Listening for HTTP at address: "); found {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return "http://" + address, stop
		}
	}
	stop()
	panic("stripe-mock does not listen")
}

// mirror sends every request to stripe-mock too, and fails the test when that does not like its shape. stripe-mock keeps no
// state, so what it answers to a good request says nothing.
type mirror struct {
	t  testing.TB
	mu sync.Mutex
	n  map[string]int
}

func (m *mirror) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	copied, err := http.NewRequestWithContext(r.Context(), r.Method, startMock()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	copied.Header = r.Header.Clone()
	copied.Header.Set("Authorization", "Bearer sk_test_123")
	answer, err := http.DefaultClient.Do(copied)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 400 {
		m.t.Errorf("stripe-mock refuses %s %s %s: %s", r.Method, r.URL, body, said)
	}
	m.mu.Lock()
	m.n[r.Method+" "+r.URL.Path]++
	m.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}
