// Package smtptest is a mail server for tests: it speaks SMTP (RFC 5321) on a real socket, with STARTTLS (RFC 3207), TLS from
// the first byte (RFC 8314), AUTH PLAIN and LOGIN (RFC 4954), and it is strict: commands out of order, bare line feeds and
// lines that are too long are refused, a password is taken over TLS only. It fails on request at any point, the way real
// servers do.
package smtptest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Config says how the server behaves.
type Config struct {
	TLS TLS
	// Username and Password, when set, are needed to send.
	Username, Password string
}

// TLS is how a connection becomes encrypted.
type TLS string

// The ways to encrypt.
const (
	StartTLS TLS = ""         // offered, and demanded before mail
	Implicit TLS = "implicit" // from the first byte
	Plain    TLS = "plain"    // not offered
)

// Mail is a message the server took.
type Mail struct {
	From, To string // of the envelope
	Data     string // with CRLF, unstuffed
	TLS      bool
	Username string // who authenticated
}

// Point is where a server fails.
type Point string

// The points of failure, in the order of a delivery.
const (
	AtConnect Point = "connect" // instead of the greeting
	AtAuth    Point = "AUTH"
	AtMail    Point = "MAIL"
	AtRcpt    Point = "RCPT"
	AtData    Point = "DATA"
	AtBody    Point = "body"  // the answer to the whole message
	AtQuit    Point = "QUIT"  // after the message was taken
	InBody    Point = "inner" // while the message is read; only for dropping
)

// Drop as a reply closes the connection without one.
const Drop = ""

// Server is a running mail server.
type Server struct {
	// Host is a name that the certificate is for and that resolves to the server; Port is where it listens.
	Host string
	Port int
	// Roots trusts the server's certificate, and so does a process whose SSL_CERT_FILE holds RootPEM.
	Roots   *x509.CertPool
	RootPEM []byte

	config Config
	tls    *tls.Config

	mu       sync.Mutex
	failures map[Point][]string
	mails    []Mail
	commands []string
	open     map[net.Conn]bool // nil when the test is over
}

// New starts a server that ends with the test.
func New(t testing.TB, config Config) *Server {
	t.Helper()
	certificate, roots := selfSigned(t)
	s := &Server{
		Host: "localhost", Roots: roots, RootPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), config: config, failures: make(map[Point][]string), open: make(map[net.Conn]bool),
		tls: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("smtptest: %v", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatalf("smtptest: %v", err)
	}
	if s.Port, err = strconv.Atoi(port); err != nil {
		t.Fatalf("smtptest: %v", err)
	}
	if config.TLS == Implicit {
		listener = tls.NewListener(listener, s.tls)
	}
	var running sync.WaitGroup
	running.Go(func() { s.accept(listener, &running) })
	t.Cleanup(func() {
		_ = listener.Close()
		s.closeAll()
		running.Wait()
	})
	return s
}

// Fail makes the server answer with reply, or drop the connection, the next times it gets to a point: one reply each time,
// then it works again.
func (s *Server) Fail(at Point, replies ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[at] = append(s.failures[at], replies...)
}

// Mails lists what the server took, oldest first.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Commands lists the verbs clients sent, over all connections.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// fault takes the next failure planned for a point.
func (s *Server) fault(at Point) (reply string, planned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.failures[at]
	if len(queue) == 0 {
		return "", false
	}
	s.failures[at] = queue[1:]
	return queue[0], true
}
