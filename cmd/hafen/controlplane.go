package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"golang.org/x/sync/errgroup"

	"hafen/controlplane"
	"hafen/controlplane/billing/pdf"
	"hafen/controlplane/keyring"
	"hafen/controlplane/postgres"
	"hafen/controlplane/smtp"
	"hafen/images"
	"hafen/provisioner"
	"hafen/provisioner/acme"
	"hafen/provisioner/localca"
	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/web"
)

// controlplaneSettings are what only the control plane needs.
type controlplaneSettings struct {
	imageSettings
	Certificates    string        `help:"Where certificates come from: acme, or local, an authority of this machine. Trial: local." enum:"auto,acme,local" default:"auto" env:"HAFEN_CERTIFICATES"`
	ACMEDirectory   string        `name:"acme-directory" help:"Directory URL of the ACME authority; Let's Encrypt when empty." env:"HAFEN_ACME_DIRECTORY"`
	ACMERoots       string        `name:"acme-roots" help:"File of authorities that the ACME directory's own certificate is checked with." env:"HAFEN_ACME_ROOTS" type:"path"`
	ACMEEmail       string        `name:"acme-email" help:"Where the ACME authority writes to." env:"HAFEN_ACME_EMAIL"`
	ACMEAcceptTerms bool          `name:"acme-accept-terms" help:"You agree to the ACME authority's terms of service." env:"HAFEN_ACME_ACCEPT_TERMS"`
	CAAIssuer       []string      `name:"caa-issuer" help:"Names of the ACME authority in CAA records." default:"letsencrypt.org" env:"HAFEN_CAA_ISSUER"`
	Resolver        []string      `help:"Name servers that customers' records are looked up with, host:port; the system's when empty." env:"HAFEN_RESOLVER"`
	Templates       bool          `help:"Keep a template of each engine's database, so that new servers start faster." default:"true" negatable:"" env:"HAFEN_TEMPLATES"`
	Meter           time.Duration `help:"How old a measurement of storage may grow." default:"2m" env:"HAFEN_METER"`

	SMTPHost         string          `name:"smtp-host" help:"Mail server." env:"HAFEN_SMTP_HOST"`
	SMTPPort         int             `name:"smtp-port" help:"Port of the mail server; the usual one of the encryption when 0." env:"HAFEN_SMTP_PORT"`
	SMTPEncryption   smtp.Encryption `name:"smtp-encryption" help:"How the connection to the mail server is encrypted: starttls, tls (from the first byte) or none." enum:"starttls,tls,none" default:"starttls" env:"HAFEN_SMTP_ENCRYPTION"`
	SMTPUser         string          `name:"smtp-user" help:"Account on the mail server." env:"HAFEN_SMTP_USER"`
	SMTPPasswordFile string          `name:"smtp-password-file" help:"File with its password: a command line is for everybody to read." env:"HAFEN_SMTP_PASSWORD_FILE" type:"path"`
	MailFrom         string          `help:"Sender of mails: an address, with a name if wished." env:"HAFEN_MAIL_FROM"`
}

// controlplaneCommand is `hafen controlplane`. It holds all keys and the Docker socket, and listens nowhere.
type controlplaneCommand struct {
	settings
	webSettings
	controlplaneSettings
}

// Run works until the signal.
func (c controlplaneCommand) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	db, err := c.openDatabases(ctx, slog.Default())
	if err != nil {
		return err
	}
	cp, err := openControlplane(ctx, c.settings, c.webSettings, c.controlplaneSettings, db, slog.Default())
	if err != nil {
		return err
	}
	defer cp.close()
	return cp.run(ctx)
}

// loops is the control plane put together.
type loops struct {
	store       *postgres.Store
	provisioner *provisioner.Provisioner
	jobs        *river.Client[pgx.Tx]
	run         func(context.Context) error
}

func (l *loops) close() {
	if err := l.provisioner.Close(); err != nil {
		slog.Warn("provisioner not closed", "error", err)
	}
	l.store.Close()
}

func openControlplane(ctx context.Context, s settings, w webSettings, c controlplaneSettings, db databases, log *slog.Logger) (*loops, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	keys, err := keyring.OpenControlplane(s.keys())
	if err != nil {
		return nil, fmt.Errorf("open the keys: %w", err)
	}
	store, err := postgres.Open(ctx, db.dsn, postgres.Config{Secrets: keys.Secrets, Edge: keys.Edge, MaxConns: 20, Tracer: atCommit})
	if err != nil {
		return nil, err
	}
	issuer, trust, err := c.issuer(s, store)
	if err != nil {
		return nil, err
	}
	prov, err := openProvisioner(ctx, s, db, store, issuer, trust)
	if err != nil {
		return nil, err
	}
	if err := prov.EnsureNetwork(ctx); err != nil {
		return nil, fmt.Errorf("prepare the tenants' network: %w", err)
	}
	checker, err := c.checker(s)
	if err != nil {
		return nil, err
	}
	if w.PayeeName != "" {
		if err := store.SeedSeller(ctx, w.seller()); err != nil {
			return nil, err
		}
	}
	owner := s.owner()
	reconciler := controlplane.NewReconciler(controlplane.ReconcilerConfig{
		Store: store, Provisioner: prov, Image: c.imageOf, Contact: s.Contact, Owner: owner, Log: log, At: atStep,
	})
	texts := web.MailTexts{PublicURL: s.publicURL(), Payee: w.payee()}
	meter := &controlplane.Meter{
		Store: store, Reader: prov, Every: c.Meter, Work: store, Log: log,
		Purges: func(engine tenant.EngineName) bool { return prov.Supports(engine, homeserver.PurgeRemoteMedia) },
	}
	money, err := w.money(ctx, s, store, log)
	if err != nil {
		return nil, err
	}
	sales := money.subscriptions
	workers := river.NewWorkers()
	river.AddWorker(workers, &controlplane.ReconcileWorker{Reconciler: reconciler})
	river.AddWorker(workers, &controlplane.OperationWorker{
		Store: store, Mailbox: keys.Mailbox, Homeservers: prov, Members: store, Recipients: store, Measure: meter.Measure, Log: log,
	})
	addMoneyAndMails(workers, store, texts, sales)
	river.AddWorker(workers, money.payers())
	if err := c.addMail(workers, s, store, texts); err != nil {
		return nil, err
	}
	jobs, err := river.NewClient(riverpgxv5.New(store.Pool()), &river.Config{
		Workers: workers, Logger: log, PeriodicJobs: []*river.PeriodicJob{controlplane.CleanPeriodically()},
		Queues: queues, ID: controlplane.JobOwner(owner),
		// Of a process that was killed and does not come back. A job that may take longer says so itself, and is left alone so long.
		RescueStuckJobsAfter: 2 * time.Minute,
		// Five thousand tenants that are looked at every five minutes end sixty thousand jobs an hour; nobody reads them.
		CompletedJobRetentionPeriod: time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the job queue: %w", err)
	}
	l := &loops{store: store, provisioner: prov, jobs: jobs}
	sweeper := &controlplane.Sweeper{Store: store, Owner: owner, Log: log}
	l.run = func(ctx context.Context) error {
		sweeper.StartOver(ctx)
		return l.work(ctx, []func(context.Context) error{
			(&templateKeeper{provisioner: prov, engines: c.templates(), image: c.imageOf, log: log}).run,
			sweeper.Run,
			(&controlplane.DomainWatcher{Store: store, Checker: checker, Log: log}).Run,
			(&controlplane.MemberSync{Store: store, Homeservers: prov, Log: log}).Run,
			meter.Run,
			dunner(s, store, log),
			(&controlplane.CertificateKeeper{Host: base, Store: store.Certificates(), Issuer: issuer, Log: log}).Run,
			(&controlplane.Cleaner{Store: store, Log: log}).Run,
			(&controlplane.Biller{Store: store, Subscriptions: sales, Work: store, Log: log}).Run,
			money.check(store, log),
			(&networkKeeper{prov, log}).run,
			func(ctx context.Context) error { return prov.SortBackends(ctx, log) },
			(&crashWatcher{prov, store, log}).run,
		})
	}
	return l, nil
}

// addMoneyAndMails adds the workers that need no more than the rows and the words: mails, bills, and what providers are asked and told.
func addMoneyAndMails(workers *river.Workers, store *postgres.Store, texts web.MailTexts, sales *controlplane.Subscriptions) {
	river.AddWorker(workers, &controlplane.TenantMailWorker{Store: store, Texts: texts})
	river.AddWorker(workers, &controlplane.QuotaWarningWorker{Store: store, Texts: texts})
	bills := &controlplane.BillMails{Store: store, Texts: texts, Printer: pdf.Printer{}}
	river.AddWorker(workers, &controlplane.DunningMailWorker{Mails: bills})
	river.AddWorker(workers, &controlplane.InvoiceMailWorker{Mails: bills})
	river.AddWorker(workers, &controlplane.MemberMailWorker{Store: store, Texts: texts})
	river.AddWorker(workers, &controlplane.CleanWorker{Store: store})
	river.AddWorker(workers, &controlplane.BillingLookWorker{Subscriptions: sales})
	river.AddWorker(workers, &controlplane.BillingEndWorker{Subscriptions: sales})
	river.AddWorker(workers, &controlplane.BillingTellWorker{Subscriptions: sales})
}

// dunner asks for what is owed. In a trial nothing costs money, so nobody is asked, and no server stops for it.
func dunner(s settings, store *postgres.Store, log *slog.Logger) func(context.Context) error {
	if !s.Production {
		return func(context.Context) error { return nil }
	}
	return (&controlplane.Dunner{Store: store, Work: store, Log: log}).Run
}

// owner names this process in leases: the next one on this machine takes its work up at once.
func (s settings) owner() string {
	owner := "controlplane of " + s.Data
	if hostname, err := os.Hostname(); err == nil {
		owner += " on " + hostname
	}
	return owner
}

// quickly is how soon a queue looks for the next job after a notification. River's default of 100 ms is a tenth of an order's
// whole time.
const quickly = 5 * time.Millisecond

// queues says how much is done at once of each kind of job: a pass waits for servers most of its time.
var queues = map[string]river.QueueConfig{
	river.QueueDefault:          {MaxWorkers: 4, FetchCooldown: quickly},
	controlplane.QueueReconcile: {MaxWorkers: 16, FetchCooldown: quickly},
	controlplane.QueueOperation: {MaxWorkers: 8, FetchCooldown: quickly},
}

func (l *loops) work(ctx context.Context, all []func(context.Context) error) error {
	if err := l.jobs.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range all {
		group.Go(func() error { return run(ctx) })
	}
	group.Go(func() error {
		<-ctx.Done()
		// Running steps get a moment to end; what does not is cancelled, and resumed by the next process.
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := l.jobs.Stop(stopping); err == nil {
			return nil
		}
		cancelling, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return l.jobs.StopAndCancel(cancelling)
	})
	return group.Wait()
}

func openProvisioner(ctx context.Context, s settings, db databases, store *postgres.Store, issuer provisioner.Issuer, trust string) (*provisioner.Provisioner, error) {
	plan, err := s.plan()
	if err != nil {
		return nil, err
	}
	installation, err := store.Installation(ctx)
	if err != nil {
		return nil, err
	}
	processors, err := s.processors(installation)
	if err != nil {
		slog.Warn("a server's work in the database is bounded by its connections alone", "error", err)
	}
	return provisioner.New(ctx, provisioner.Config{
		Installation: installation, DataDir: s.Data, RunDir: filepath.Join(s.runDir(), "t"),
		Database: db.tenants, Processors: processors, Network: plan, TrustFile: trust, Engines: engines(),
		Secrets: store.Secrets(), Routes: store.Routes(), Certificates: store.Certificates(), Issuer: issuer, At: atStep,
	})
}

// issuer is where certificates come from, and the file of authorities that tenants trust when it is not the usual one.
func (c controlplaneSettings) issuer(s settings, store *postgres.Store) (provisioner.Issuer, string, error) {
	if c.Certificates == "local" || c.Certificates == "auto" && !s.Production {
		authority, err := localca.Open(s.authority())
		if err != nil {
			return nil, "", fmt.Errorf("open the local authority: %w", err)
		}
		bundle, err := authority.Bundle(images.SystemCertificates)
		if err != nil {
			return nil, "", err
		}
		if err := os.WriteFile(s.trust(), bundle, 0o644); err != nil {
			return nil, "", fmt.Errorf("write the tenants' authorities: %w", err)
		}
		return authority, s.trust(), nil
	}
	config := acme.Config{
		Directory: c.ACMEDirectory, Email: c.ACMEEmail, AcceptTerms: c.ACMEAcceptTerms,
		Accounts: acmeAccounts{store}, Challenges: store.Challenges(),
	}
	if c.ACMERoots != "" {
		transport, err := trusting(c.ACMERoots)
		if err != nil {
			return nil, "", err
		}
		config.Transport = transport
	}
	issuer, err := acme.New(config)
	return issuer, "", err
}

func trusting(file string) (*http.Transport, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the ACME directory's authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the file of the ACME directory's authorities has no certificate")
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default transport was replaced")
	}
	transport = transport.Clone()
	transport.TLSClientConfig.RootCAs = pool
	return transport, nil
}

// acmeAccounts keeps ACME accounts in the store.
type acmeAccounts struct{ store *postgres.Store }

func (a acmeAccounts) Load(ctx context.Context, directory string) (acme.Account, bool, error) {
	account, ok, err := a.store.FindACMEAccount(ctx, directory)
	return acme.Account(account), ok, err
}

func (a acmeAccounts) Store(ctx context.Context, directory string, account acme.Account) error {
	return a.store.StoreACMEAccount(ctx, directory, postgres.ACMEAccount(account))
}

// networkKeeper puts bridge and firewall back when somebody has taken them away.
type networkKeeper struct {
	provisioner *provisioner.Provisioner
	log         *slog.Logger
}

func (k *networkKeeper) run(ctx context.Context) error {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := k.provisioner.EnsureNetwork(ctx); err != nil && ctx.Err() == nil {
			k.log.ErrorContext(ctx, "the tenants' network is not as it should be, will be tried again", "error", err)
		}
	}
}

// crashWatcher has a tenant looked at as soon as its container ends. The sweep would find it too, minutes later.
type crashWatcher struct {
	provisioner *provisioner.Provisioner
	store       *postgres.Store
	log         *slog.Logger
}

func (w *crashWatcher) run(ctx context.Context) error {
	w.provisioner.Watch(ctx, func(id tenant.ID) {
		if err := w.store.Nudge(ctx, id); err != nil && ctx.Err() == nil {
			w.log.ErrorContext(ctx, "an ended container was not reported; the sweep will find it", "tenant", id, "error", err)
		}
	})
	return nil
}
