package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"hafen/controlplane"
	"hafen/controlplane/postgres"
	"hafen/migrations"
	"hafen/web"
)

// upCommand is `hafen up`: all roles in one process.
type upCommand struct {
	settings
	webSettings
	controlplaneSettings
	OperatorEmail string `help:"Address the first operator logs in with." env:"HAFEN_OPERATOR_EMAIL"`
	Metrics       string `help:"Address for Prometheus, host:port; none when empty." env:"HAFEN_METRICS"`
}

// Run starts everything, says where it is, and serves until the signal. Tenants and database go on without it.
func (c upCommand) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	log := slog.Default()
	unlock, err := lock(c.Data)
	if err != nil {
		return err
	}
	defer unlock()
	db, err := c.openDatabases(ctx, log)
	if err != nil {
		return err
	}
	if err := migrations.Up(ctx, db.dsn); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	cp, err := openControlplane(ctx, c.settings, c.webSettings, c.controlplaneSettings, db, log)
	if err != nil {
		return err
	}
	defer cp.close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return cp.run(ctx) })
	group.Go(func() error { return databaseKeeper{c.settings, cp.store, log}.run(ctx) })
	group.Go(func() error { return runWeb(ctx, c.settings, c.webSettings, db.dsn, registry, log) })
	group.Go(func() error { return runEdge(ctx, c.settings, db.dsn, registry, log) })
	group.Go(func() error { return serveMetrics(ctx, c.Metrics, registry) })
	group.Go(func() error { return c.announce(ctx, cp.store) })
	return group.Wait()
}

func (c upCommand) ensureOperator(ctx context.Context, store *postgres.Store) (password string, err error) {
	email := c.operatorEmail()
	people := controlplane.NewAccounts(controlplane.AccountsConfig{
		Store: store, Hasher: controlplane.NewArgon2id(), Texts: web.MailTexts{PublicURL: c.publicURL()},
	})
	if password, _, err = people.EnsureOperator(ctx, email); err != nil {
		return "", fmt.Errorf("make the first operator: %w", err)
	}
	return password, nil
}

func (c upCommand) operatorEmail() string {
	if c.OperatorEmail != "" {
		return c.OperatorEmail
	}
	return "operator@" + c.BaseDomain
}

// announce tells where everything is, once the front page is really there. Only then the first operator is made: a start that
// failed before would have made a password that nobody ever sees.
func (c upCommand) announce(ctx context.Context, store *postgres.Store) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.webSocket())
		},
	}}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.BaseDomain+"/healthz", nil)
		if err != nil {
			return err
		}
		if answer, err := client.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
	password, err := c.ensureOperator(ctx, store)
	if err != nil {
		return err
	}
	fmt.Printf("\n  Hafen is up.\n\n  Open      %s\n  Operator  %s\n", c.publicURL(), c.operatorEmail())
	if password != "" {
		fmt.Printf("            one-time password: %s\n", password)
	}
	fmt.Printf("  Data      %s\n", c.Data)
	root := filepath.Join(c.authority(), "root.crt")
	if _, err := os.Stat(root); err == nil && !c.Production { // a trial may have its certificates from elsewhere
		fmt.Printf("  Authority %s\n            (what Matrix clients must trust in this trial)\n", root)
	}
	fmt.Printf("\n  Ctrl-C stops Hafen; servers go on. `make down` stops them too.\n\n")
	return nil
}

func serveMetrics(ctx context.Context, address string, registry *prometheus.Registry) error {
	if address == "" {
		return nil
	}
	server := &http.Server{Addr: address, Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

// lock lets one process at a time work with a data directory. The kernel frees it however the process ends.
func lock(data string) (unlock func(), err error) {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another Hafen works with %s", data), file.Close())
	}
	return func() { file.Close() }, nil
}
