package web

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"hafen/controlplane"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Config is what the dashboard needs. Everything is required but what says otherwise.
type Config struct {
	Accounts   *controlplane.Accounts
	Orders     *controlplane.Orders
	Servers    *controlplane.Servers
	Settings   *controlplane.Settings
	Colleagues *controlplane.Colleagues
	Members    *controlplane.Members
	Invites    *controlplane.Invites
	Imports    *controlplane.Imports
	Operators  *controlplane.Operators
	Plans      *controlplane.Plans
	// Subscriptions is what servers cost.
	Subscriptions *controlplane.Subscriptions
	Base          tenant.Domain // names below it are ready at once
	Invoices      *controlplane.Invoices
	Books         *controlplane.Bookkeeping
	// PublicURL is where browsers find the dashboard: "https://hafen.example.org". Requests for another host are refused.
	PublicURL string
	// What a server holds, and words to its members.
	Rooms         *controlplane.Rooms
	Media         *controlplane.Media
	Announcements *controlplane.Announcements
	// HTTPSPort is where the customers' servers are reached; 443 when zero.
	HTTPSPort int
	// OperatorsNeedTwoStep keeps operators from everything else until they have a second step.
	OperatorsNeedTwoStep bool
	// Trial adds the pages with kept mails and the certificate authority, and leaves HSTS out.
	Trial   bool
	TrialCA []byte // PEM; optional: without it there is no certificate page
	Mails   Mails  // needed in trial mode
	// Payee is whom customers without a card pay. Optional: what is empty is not shown.
	Payee Payee
	// Legal holds the paragraphs of the operator's own texts, by kind (templates.LegalTerms, ...). Optional.
	Legal map[string][]string
	// Webhook acts on what Stripe tells, and says a Fault of kind Invalid of what Stripe did not. Optional: without it there is no
	// such address.
	Webhook func(ctx context.Context, body []byte, signature string) error
	// PaymentOrigins are where forms may lead a browser to pay. Optional.
	PaymentOrigins []string
	// Engines says what each engine can do: pages hide or explain the rest.
	Engines  map[tenant.EngineName]homeserver.Description
	Registry prometheus.Registerer // optional
	Log      *slog.Logger
	Now      func() time.Time // optional, for tests
}

// Payee is where invoices are paid to.
type Payee struct{ Name, IBAN, BIC string }

// Mails is the outbox, as the trial mode shows it.
type Mails interface {
	ListMails(ctx context.Context, most int) ([]controlplane.OutboxMail, error)
	FindMail(ctx context.Context, id int64) (controlplane.OutboxMail, error)
}

// Server is the dashboard. Safe for concurrent use.
type Server struct {
	Config
	metrics
	echo        *echo.Echo
	byPath      map[string]route
	public      url.URL
	host        string
	certificate *x509.Certificate // of the trial's authority
	crossOrigin *http.CrossOriginProtection
	reads       *limiter
	writes      *limiter
	checks      *limiter
	streams     streams
	beat, look  time.Duration // of streams
	// writeTimeout is for whole answers; streams set their own for each piece.
	writeTimeout time.Duration
	closing      chan struct{} // closed when Serve ends: open streams end then
	close        sync.Once
}

// New makes the dashboard.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Hostname() == "" {
		return nil, fmt.Errorf("web: public address %q is none", c.PublicURL)
	}
	s := &Server{
		Config: c, public: *public, host: hostname(public.Host), closing: make(chan struct{}),
		crossOrigin: http.NewCrossOriginProtection(),
		reads:       newLimiter(readLimit, c.Now), writes: newLimiter(writeLimit, c.Now), checks: newLimiter(checkLimit, c.Now),
		byPath: map[string]route{}, beat: heartbeat, look: lookAgain,
		writeTimeout: time.Minute, // adding a member waits up to ten seconds
	}
	if s.metrics, err = newMetrics(c.Registry); err != nil {
		return nil, err
	}
	if s.certificate, err = parseAuthority(c.TrialCA); err != nil {
		return nil, err
	}
	return s, s.register()
}

func parseAuthority(file []byte) (*x509.Certificate, error) {
	if len(file) == 0 {
		return nil, nil
	}
	block, _ := pem.Decode(file)
	if block == nil {
		return nil, errors.New("web: the trial's certificate authority is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("web: read the trial's certificate authority: %w", err)
	}
	return certificate, nil
}

// register puts the route table into the router: nothing else adds a handler.
func (s *Server) register() error {
	s.echo = echo.New()
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.Use(s.begin, s.checked)
	for _, route := range s.routes() {
		if err := route.valid(); err != nil {
			return err
		}
		if route.access == trial && !s.Trial {
			continue
		}
		s.add(route)
		if route.method == http.MethodGet && !route.nature.has(stream) {
			route.method = http.MethodHead
			s.add(route)
		}
	}
	return nil
}

func (s *Server) add(route route) {
	s.byPath[route.method+" "+route.path] = route
	s.echo.Add(route.method, route.path, func(c echo.Context) error {
		r := requestOf(c)
		if ok, err := s.admit(r, route); err != nil || !ok {
			return err
		}
		if !r.safe() && !route.nature.has(machine) {
			if err := r.parse(); err != nil {
				return err
			}
		}
		return route.handle(r)
	})
}

// checked refuses what no route wants to see, and finds out whose request it is. It comes before unknown paths too.
func (s *Server) checked(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := requestOf(c)
		for _, check := range s.gates(r.route.nature) {
			if err := check(r); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// gates are what a request must pass before its handler.
func (s *Server) gates(n nature) []func(*request) error {
	switch {
	case n.has(plain):
		return nil
	case n.has(machine):
		return []func(*request) error{s.checkHost, s.checkSize, s.checkText}
	default:
		return []func(*request) error{s.checkHost, s.checkRate, s.checkSize, s.checkOrigin, s.checkText, s.identify}
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// Serve answers on a listener until ctx ends. Requests under way get ten seconds to finish, live pages end at once; their
// browsers come back by themselves.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s,
		// A page is some kilobytes from a process on the same machine; the edge waits for slow clients.
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      s.writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the dashboard: %w", err)
	case <-ctx.Done():
	}
	s.close.Do(func() { close(s.closing) })
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		return fmt.Errorf("stop the dashboard: %w", errors.Join(err, server.Close()))
	}
	return nil
}
