package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/controlplane/billing/pdf"
	"hafen/controlplane/postgres"
	"hafen/internal/pgtest"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

const (
	testBase = "hafen.test"
	testHost = "hafen.test"
	password = "correct horse battery staple" // of every account here
)

// world is a dashboard over a database of its own.
type world struct {
	*testing.T
	pool   *pgxpool.Pool
	store  *postgres.Store
	orders *controlplane.Orders // settled at once, whatever the dashboard's do
	server *Server
	texts  *texts
	log    *safeBuffer
	house  *house // what every homeserver holds
}

// change alters the dashboard's configuration before it is made.
type change func(*Config)

func withoutTrial(c *Config) { c.Trial, c.Mails = false, nil }

func newWorld(t *testing.T, changes ...change) *world {
	t.Helper()
	pool := pgtest.New(t)
	store, err := postgres.New(pool, postgres.Config{Secrets: unsealed{}, Edge: unsealed{}})
	if err != nil {
		t.Fatal(err)
	}
	listening, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { store.Listen(listening); close(stopped) }()
	t.Cleanup(func() { stop(); <-stopped })
	w := &world{T: t, pool: pool, store: store, texts: &texts{}, log: &safeBuffer{}, house: &house{}}
	orders := controlplane.OrdersConfig{
		Store: store, Billing: billing.Invoices{AcceptAtOnce: true}, Base: testBase,
		Registrable: func(tenant.Domain) error { return nil },
		Records: func(c controlplane.DomainClaim) []tenant.Record {
			return []tenant.Record{{Kind: tenant.RecordTXT, Purpose: tenant.PurposeProof, Name: "_hafen." + string(c.ServerName), Want: []string{c.Token}, State: tenant.RecordPending}}
		},
	}
	w.orders = controlplane.NewOrders(orders)
	servers := controlplane.NewServers(controlplane.ServersConfig{Store: store})
	factors, err := controlplane.NewFactors("https://"+testHost, unsealed{})
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Accounts:   controlplane.NewAccounts(controlplane.AccountsConfig{Store: store, Hasher: quick{}, Texts: w.texts, Factors: factors}),
		Orders:     w.orders,
		Servers:    servers,
		Colleagues: controlplane.NewColleagues(controlplane.ColleaguesConfig{Store: store, Texts: w.texts}),
		Settings:   controlplane.NewSettingsUse(controlplane.SettingsConfig{Store: store, Engines: engines}),
		Members:    controlplane.NewMembers(controlplane.MembersConfig{Store: store, Mailbox: unsealed{}, Texts: w.texts, Wait: 50 * time.Millisecond}),
		Invites:    controlplane.NewInvites(controlplane.InvitesConfig{Store: store, Mailbox: unsealed{}, Texts: w.texts, Wait: 50 * time.Millisecond}),
		Imports:    controlplane.NewImports(controlplane.ImportsConfig{Store: store, Mailbox: unsealed{}}),
		Operators:  controlplane.NewOperators(controlplane.OperatorsConfig{Store: store, Servers: servers}),
		Invoices:   controlplane.NewInvoices(controlplane.InvoicesConfig{Store: store, Printer: pdf.Printer{}}),
		Books:      controlplane.NewBookkeeping(controlplane.BookkeepingConfig{Store: store}),
		Base:       testBase, PublicURL: "https://" + testHost, Trial: true, Mails: store,
		Engines: engines,
		Log:     slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	config.Subscriptions = controlplane.NewSubscriptions(controlplane.SubscriptionsConfig{
		Store: store, Providers: map[string]billing.Provider{"invoice": billing.Invoices{}},
	})
	config.Rooms = controlplane.NewRooms(controlplane.RoomsConfig{Store: store, Wait: contentWait})
	config.Media = controlplane.NewMedia(controlplane.MediaConfig{Store: store, Wait: contentWait})
	config.Announcements = &controlplane.Announcements{Store: store}
	config.Plans = controlplane.NewPlans(controlplane.PlansConfig{Store: store})
	for _, change := range changes {
		change(&config)
	}
	if w.server, err = New(config); err != nil {
		t.Fatal(err)
	}
	return w
}

// engines is what the pages are told: one that can do little.
var engines = map[tenant.EngineName]homeserver.Description{
	tenant.Dendrite: {Name: tenant.Dendrite, Capabilities: []homeserver.Capability{homeserver.Deactivate, homeserver.Reactivate}},
	tenant.Synapse:  {Name: tenant.Synapse, Capabilities: append([]homeserver.Capability{homeserver.Deactivate, homeserver.Reactivate}, contentCapabilities...)},
}

// unpaid makes orders wait for an operator.
func unpaid(c *Config) {
	config := c.Orders.OrdersConfig
	config.Billing = billing.Invoices{}
	c.Orders = controlplane.NewOrders(config)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) count(sql string, args ...any) (n int) {
	w.Helper()
	w.must(w.pool.QueryRow(w.Context(), sql, args...).Scan(&n))
	return n
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	_, err := w.pool.Exec(w.Context(), sql, args...)
	w.must(err)
}

// kind is a kind of account.
type kind struct {
	role       string
	mustChange bool
	language   string
}

var (
	aCustomer = kind{role: "customer", language: "en"}
	anAdmin   = kind{role: "operator", language: "en"}
	aNewAdmin = kind{role: "operator", mustChange: true, language: "en"}
)

// account makes an account in a row of its own; sign-up is tested elsewhere.
func (w *world) account(email string, k kind) controlplane.Account {
	w.Helper()
	hash, err := quick{}.Hash(w.Context(), password)
	w.must(err)
	a := controlplane.Account{Email: email, Operator: k.role == "operator", MustChange: k.mustChange, Language: k.language}
	w.must(w.pool.QueryRow(w.Context(), `insert into accounts (email, email_key, password_hash, must_change, language, role, verified_at)
		values ($1, $1, $2, $3, $4, $5, now()) returning id::text`, email, hash, k.mustChange, k.language, k.role).Scan(&a.ID))
	return a
}

// session opens a session without the work of a login.
func (w *world) session(a controlplane.Account) (cookie, id string) {
	w.Helper()
	var raw [32]byte
	rand.Read(raw[:])
	cookie = base64.RawURLEncoding.EncodeToString(raw[:])
	hash := sha256.Sum256([]byte(cookie))
	w.must(w.pool.QueryRow(w.Context(), `insert into sessions (token_hash, account_id, expires_at, user_agent, address)
		values ($1, $2, now() + interval '1 day', 'test', '192.0.2.1') returning id::text`, hash[:], a.ID).Scan(&id))
	return cookie, id
}

// as is a browser in which an account is logged in.
func (w *world) as(a controlplane.Account) *browser {
	w.Helper()
	b := w.visitor()
	b.cookies[sessionCookie], b.session = w.session(a)
	return b
}

// visitor is a browser nobody is logged in with, at an address of its own.
func (w *world) visitor() *browser {
	return &browser{w: w, cookies: map[string]string{}, language: "en", address: newAddress(), headers: map[string]string{}}
}

// provision plays a worker for which everything outside succeeds.
func (w *world) provision(id tenant.ID) {
	w.Helper()
	for again := true; again; {
		claim, ok, err := w.store.ClaimTenant(w.Context(), id, "test", time.Minute)
		w.must(err)
		if !ok {
			w.Fatalf("%s is claimed by somebody else", id)
		}
		again, err = w.store.FinishReconcile(w.Context(), id, "test", claim)
		w.must(err)
	}
}

func (w *world) ordered(a controlplane.Account, name string) tenant.ID {
	w.Helper()
	id, _, err := w.orders.Order(w.Context(), a.Actor(), controlplane.OrderRequest{Plan: "basic", Name: name, FirstAdmin: "anna", Language: "en"})
	w.must(err)
	return id
}

func (w *world) orderedOwn(a controlplane.Account, domain string) tenant.ID {
	w.Helper()
	id, _, err := w.orders.Order(w.Context(), a.Actor(), controlplane.OrderRequest{Plan: "basic", Domain: domain, FirstAdmin: "anna", Language: "en"})
	w.must(err)
	return id
}

func (w *world) active(a controlplane.Account, name string) tenant.ID {
	w.Helper()
	id := w.ordered(a, name)
	w.provision(id)
	return id
}

// work carries out member operations until the test ends, on a homeserver that accepts everything.
func (w *world) work() {
	worker := controlplane.OperationWorker{Store: w.store, Mailbox: unsealed{}, Homeservers: willing{w.house}, Recipients: w.store, Log: slog.New(slog.DiscardHandler)}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			var id string
			err := w.pool.QueryRow(ctx, `select id::text from operations where finished_at is null limit 1`).Scan(&id)
			if err == nil {
				_ = worker.Work(ctx, &river.Job[controlplane.OperationArgs]{Args: controlplane.OperationArgs{Operation: id}}) // fails when the test ends
				continue
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	w.Cleanup(func() { stop(); <-done })
}

// willing is homeservers that accept everything.
type willing struct{ *house }

func (w willing) Server(context.Context, tenant.Spec) (homeserver.Server, error) {
	return obliging(w), nil
}

type obliging struct{ *house }

func (obliging) Ready(context.Context) error                                 { return nil }
func (obliging) CreateControl(context.Context) ([]byte, error)               { return nil, nil }
func (obliging) Create(context.Context, homeserver.NewAccount) error         { return nil }
func (obliging) SetPassword(context.Context, tenant.Localpart, string) error { return nil }
func (obliging) Deactivate(context.Context, tenant.Localpart, bool) error    { return nil }
func (obliging) Reactivate(context.Context, tenant.Localpart, string) error  { return nil }

func (obliging) SetAdmin(context.Context, tenant.Localpart, bool) error     { return nil }
func (obliging) Lock(context.Context, tenant.Localpart, bool) error         { return nil }
func (obliging) SignOut(context.Context, tenant.Localpart, ...string) error { return nil }
func (obliging) ListDevices(_ context.Context, who tenant.Localpart) ([]homeserver.Device, error) {
	return []homeserver.Device{{ID: "PHONE", Name: "Phone of " + string(who), SeenFrom: "192.0.2.77"}, {ID: "DESK"}}, nil
}

// everything is an engine that can do all there is with members.
func everything(c *Config) {
	all := []homeserver.Capability{
		homeserver.ListAccounts, homeserver.SetAdmin, homeserver.Deactivate, homeserver.Reactivate, homeserver.Erase, homeserver.Lock,
		homeserver.ListDevices, homeserver.SignOut,
	}
	c.Engines = map[tenant.EngineName]homeserver.Description{tenant.Dendrite: {Capabilities: all}, tenant.Synapse: {Capabilities: all}}
}

// unsealed seals nothing but checks the context.
type unsealed struct{}

func (unsealed) Seal(plaintext, context []byte) ([]byte, error) {
	return bytes.Join([][]byte{context, plaintext}, []byte{0}), nil
}

func (unsealed) Open(sealed, context []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, append(bytes.Clone(context), 0))
	if !ok {
		return nil, errors.New("sealed for something else")
	}
	return rest, nil
}

func (u unsealed) SealMail(plaintext, context []byte) ([]byte, error) {
	return u.Seal(plaintext, context)
}

func (u unsealed) OpenMail(sealed, context []byte) ([]byte, error) { return u.Open(sealed, context) }

// quick is a hasher without the work that makes hashing slow; what web does with passwords does not depend on it.
type quick struct{}

func (quick) Hash(_ context.Context, password string) (string, error) {
	sum := sha256.Sum256([]byte(password))
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

func (q quick) Verify(ctx context.Context, hash, password string) (controlplane.HashMatch, error) {
	if fresh, _ := q.Hash(ctx, password); fresh == hash {
		return controlplane.HashMatches, nil
	}
	return controlplane.HashDiffers, nil
}

// texts keeps what mails would say.
type texts struct {
	mu   sync.Mutex
	sent []controlplane.MailContent
}

func (t *texts) Render(content controlplane.MailContent, _ string) (controlplane.MailText, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, content)
	return controlplane.MailText{Subject: "subject", Text: "text", HTML: "<p>html</p>"}, nil
}

// last is the latest mail of a type.
func last[T controlplane.MailContent](w *world) T {
	w.Helper()
	w.texts.mu.Lock()
	defer w.texts.mu.Unlock()
	for i := len(w.texts.sent) - 1; i >= 0; i-- {
		if m, ok := w.texts.sent[i].(T); ok {
			return m
		}
	}
	w.Fatalf("no mail of type %T", *new(T))
	panic("unreachable")
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
