package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hafen/tenant"
)

// Config is what an edge needs. Source, Copy and Sealer are required; zero values of the rest mean the defaults stated.
type Config struct {
	// Addresses to listen on, "host:port". Open sockets for the same purposes may be given beside them or instead.
	HTTP, HTTPS, Federation []string
	Sockets                 Sockets

	Source Source
	Copy   string // file of the local copy; its directory must exist
	Sealer Sealer

	Dashboard Dashboard

	// Ports under which the outside reaches HTTPS and Federation: written into discovery and redirects. 443 and 8448.
	PublicHTTPSPort      int
	PublicFederationPort int

	Poll  time.Duration // how often the source is asked without a hint; 5 s
	Hold  time.Duration // how long a request waits for a homeserver that is starting; 30 s
	Drain time.Duration // how long Run lets requests finish when its context ends; 10 s
	Stall time.Duration // how long a client may leave an answer unread before it is given up; 1 min

	// ClientConnections is how many connections one address may have open: a share of what this process may open, and 8192
	// at most. ClientRequests is how many requests it may have under way: 4096. To be raised where clients come through a
	// proxy that hides their addresses.
	ClientConnections, ClientRequests int

	Log     *slog.Logger          // slog.Default()
	Metrics prometheus.Registerer // none
	Now     func() time.Time      // time.Now
}

// Sockets are listeners that are already open. The edge closes them.
type Sockets struct {
	HTTP, HTTPS, Federation []net.Listener
}

// Dashboard is Hafen's own website, reached through the same ports.
type Dashboard struct {
	Host      tenant.Domain // the base domain; "" when this edge serves no dashboard
	Backend   string        // "unix:/path" or "tcp:host:port"
	PlainHTTP bool          // serve it on HTTP too instead of redirecting; for trials, where no browser knows our CA
}

func (c Config) withDefaults() (Config, error) {
	if c.Source == nil || c.Sealer == nil || c.Copy == "" {
		return c, errors.New("edge: source, sealer and copy are required")
	}
	if c.Dashboard.Host != "" {
		if _, _, err := splitBackend(c.Dashboard.Backend); err != nil {
			return c, fmt.Errorf("edge: dashboard: %w", err)
		}
	}
	orDefault(&c.PublicHTTPSPort, 443)
	orDefault(&c.PublicFederationPort, 8448)
	orDefault(&c.Poll, 5*time.Second)
	orDefault(&c.Hold, 30*time.Second) // a large Synapse starts in ten; peers give up after sixty
	orDefault(&c.Drain, 10*time.Second)
	orDefault(&c.Stall, time.Minute)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}
