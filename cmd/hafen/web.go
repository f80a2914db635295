package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/controlplane/billing/pdf"
	"hafen/controlplane/keyring"
	"hafen/controlplane/postgres"
	"hafen/provisioner/dns"
	"hafen/tenant"
	"hafen/web"
)

// webSettings are what only the website needs.
type webSettings struct {
	billingSettings
	PayeeName string `help:"Whom customers pay, on invoices." env:"HAFEN_PAYEE_NAME"`
	PayeeIBAN string `name:"payee-iban" help:"Account customers pay to." env:"HAFEN_PAYEE_IBAN"`
	PayeeBIC  string `name:"payee-bic" help:"Bank customers pay to." env:"HAFEN_PAYEE_BIC"`

	OperatorsNeedTwoStep *bool `help:"Operators can do nothing before they have set up a second step. The default is yes in production, no in a trial." negatable:"" env:"HAFEN_OPERATORS_NEED_TWO_STEP"`
}

// seller is what the command line says of who sells, until an operator says more in the console.
func (s webSettings) seller() billing.Party {
	return billing.Party{Company: s.PayeeName, IBAN: s.PayeeIBAN, BIC: s.PayeeBIC, Country: "DE"}.Tidy()
}

func (s webSettings) payee() web.Payee {
	return web.Payee{Name: s.PayeeName, IBAN: s.PayeeIBAN, BIC: s.PayeeBIC}
}

// operatorsNeedTwoStep: a trial is on one machine and holds nothing of worth.
func (s webSettings) operatorsNeedTwoStep(production bool) bool {
	if s.OperatorsNeedTwoStep == nil {
		return production
	}
	return *s.OperatorsNeedTwoStep
}

// webCommand is `hafen web`. It holds no key but the public one that seals members' passwords and that of second factors, and no
// Docker socket.
type webCommand struct {
	settings
	webSettings
}

// Run serves until the signal.
func (c webCommand) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	db, err := c.openDatabases(ctx, slog.Default())
	if err != nil {
		return err
	}
	return runWeb(ctx, c.settings, c.webSettings, db.dsn, prometheus.NewRegistry(), slog.Default())
}

func runWeb(ctx context.Context, s settings, w webSettings, dsn string, metrics prometheus.Registerer, log *slog.Logger) error {
	base, err := s.base()
	if err != nil {
		return err
	}
	addresses, err := s.publicAddresses()
	if err != nil {
		return err
	}
	keys, err := keyring.OpenWeb(s.keys())
	if err != nil {
		return fmt.Errorf("open the website's keys: %w", err)
	}
	factors, err := controlplane.NewFactors(s.publicURL(), keys.Factors)
	if err != nil {
		return err
	}
	store, err := postgres.Open(ctx, dsn, postgres.Config{Tracer: atCommit})
	if err != nil {
		return err
	}
	defer store.Close()
	listening, stop := context.WithCancel(ctx)
	defer stop()
	go store.Listen(listening)

	config := webConfig(s, w, base, addresses, store, keys, metrics, log)
	config.Accounts.Factors = factors
	money, err := w.money(ctx, s, store, log)
	if err != nil {
		return err
	}
	if err := w.payHere(money, &config); err != nil {
		return err
	}
	site, err := web.New(config)
	if err != nil {
		return err
	}
	listener, err := listenUnix(s.webSocket())
	if err != nil {
		return err
	}
	return site.Serve(ctx, listener)
}

func webConfig(s settings, w webSettings, base tenant.Domain, addresses []netip.Addr, store *postgres.Store, keys *keyring.Web, metrics prometheus.Registerer, log *slog.Logger) web.Config {
	servers := controlplane.NewServers(controlplane.ServersConfig{Store: store})
	config := web.Config{
		Accounts: controlplane.NewAccounts(controlplane.AccountsConfig{
			Store: store, Hasher: controlplane.NewArgon2id(), Texts: web.MailTexts{PublicURL: s.publicURL(), Payee: w.payee()},
		}),
		Orders: controlplane.NewOrders(controlplane.OrdersConfig{
			Store: store, Billing: billing.Invoices{AcceptAtOnce: !s.Production}, Base: base, Registrable: dns.Registrable,
			Records:   func(claim controlplane.DomainClaim) []tenant.Record { return dns.Records(s.wanted(claim, addresses)) },
			PublicURL: s.publicURL(),
		}),
		Servers: servers,
		Colleagues: controlplane.NewColleagues(controlplane.ColleaguesConfig{
			Store: store, Texts: web.MailTexts{PublicURL: s.publicURL(), Payee: w.payee()},
		}),
		Settings:  controlplane.NewSettingsUse(controlplane.SettingsConfig{Store: store, Engines: descriptions()}),
		Members:   controlplane.NewMembers(controlplane.MembersConfig{Store: store, Mailbox: keys, Texts: web.MailTexts{PublicURL: s.publicURL()}}),
		Invites:   controlplane.NewInvites(controlplane.InvitesConfig{Store: store, Mailbox: keys, Texts: web.MailTexts{PublicURL: s.publicURL()}}),
		Imports:   controlplane.NewImports(controlplane.ImportsConfig{Store: store, Mailbox: keys}),
		Operators: controlplane.NewOperators(controlplane.OperatorsConfig{Store: store, Servers: servers}),
		Invoices:  controlplane.NewInvoices(controlplane.InvoicesConfig{Store: store, Printer: pdf.Printer{}}),
		Books:     controlplane.NewBookkeeping(controlplane.BookkeepingConfig{Store: store}),
		Base:      base, PublicURL: s.publicURL(), HTTPSPort: s.HTTPSPort, Trial: !s.Production, Mails: store, Payee: w.payee(),
		OperatorsNeedTwoStep: w.operatorsNeedTwoStep(s.Production),
		Engines:              descriptions(), Registry: metrics, Log: log,
	}
	config.Rooms = controlplane.NewRooms(controlplane.RoomsConfig{Store: store})
	config.Media = controlplane.NewMedia(controlplane.MediaConfig{Store: store})
	config.Announcements = &controlplane.Announcements{Store: store}
	config.Plans = controlplane.NewPlans(controlplane.PlansConfig{Store: store})
	if root, err := os.ReadFile(filepath.Join(s.authority(), "root.crt")); err == nil && !s.Production {
		config.TrialCA = root
	}
	return config
}

// listenUnix opens a socket for the edge alone. A socket file left by a killed process is removed: whoever gets the lock on the
// data directory is the only one to listen.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the socket's directory: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for the edge: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}
