package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/controlplane/postgres"
	"hafen/internal/pgtest"
	"hafen/tenant"
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
	w := &world{T: t, pool: pool, store: store, texts: &texts{}, log: &safeBuffer{}}
	orders := controlplane.OrdersConfig{
		Store: store, Billing: billing.Invoice{AcceptAtOnce: true}, Base: testBase,
		Registrable: func(tenant.Domain) error { return nil },
		Records: func(c controlplane.DomainClaim) []tenant.Record {
			return []tenant.Record{{Kind: tenant.RecordTXT, Purpose: tenant.PurposeProof, Name: "_hafen." + string(c.ServerName), Want: []string{c.Token}, State: tenant.RecordPending}}
		},
	}
	w.orders = controlplane.NewOrders(orders)
	servers := controlplane.NewServers(controlplane.ServersConfig{Store: store})
	config := Config{
		Accounts:  controlplane.NewAccounts(controlplane.AccountsConfig{Store: store, Hasher: quick{}, Texts: w.texts}),
		Orders:    w.orders,
		Servers:   servers,
		Members:   controlplane.NewMembers(controlplane.MembersConfig{Store: store, Mailbox: unsealed{}, Wait: 50 * time.Millisecond}),
		Operators: controlplane.NewOperators(controlplane.OperatorsConfig{Store: store, Servers: servers}),
		Base:      testBase, PublicURL: "https://" + testHost, Trial: true, Mails: store,
		Reactivates: map[tenant.EngineName]bool{tenant.Dendrite: true},
		Log:         slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range changes {
		change(&config)
	}
	if w.server, err = New(config); err != nil {
		t.Fatal(err)
	}
	return w
}

// unpaid makes orders wait for an operator.
func unpaid(c *Config) {
	config := c.Orders.OrdersConfig
	config.Billing = billing.Invoice{}
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
	worker := controlplane.MemberWorker{Store: w.store, Mailbox: unsealed{}, Homeserver: willing{}}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			var id string
			err := w.pool.QueryRow(ctx, `select id::text from member_operations where finished_at is null limit 1`).Scan(&id)
			if err == nil {
				_ = worker.Work(ctx, &river.Job[controlplane.MemberArgs]{Args: controlplane.MemberArgs{Operation: id}}) // fails when the test ends
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

// willing is a homeserver that accepts everything.
type willing struct{}

func (willing) CreateUser(context.Context, tenant.Spec, controlplane.NewUser) error { return nil }
func (willing) SetPassword(context.Context, tenant.Spec, tenant.Localpart, string) error {
	return nil
}
func (willing) Deactivate(context.Context, tenant.Spec, tenant.Localpart) error { return nil }
func (willing) Reactivate(context.Context, tenant.Spec, tenant.Localpart, string) error {
	return nil
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

var addresses struct {
	sync.Mutex
	next int
}

// newAddress keeps browsers of one test out of each other's limits.
func newAddress() string {
	addresses.Lock()
	defer addresses.Unlock()
	addresses.next++
	return "10." + itoa(addresses.next>>16&255) + "." + itoa(addresses.next>>8&255) + "." + itoa(addresses.next&255)
}

// browser behaves as one: it keeps cookies and says where its requests come from. It talks to the router as the edge does.
type browser struct {
	w        *world
	cookies  map[string]string
	session  string // id of the session, for addresses
	language string
	address  string
	plain    bool              // over http
	headers  map[string]string // set last; an empty value takes a header away
}

type answer struct {
	*testing.T
	status int
	header http.Header
	body   string
}

func (b *browser) get(path string) *answer {
	b.w.Helper()
	return b.do(http.MethodGet, path, "", nil)
}

func (b *browser) post(path string, form url.Values) *answer {
	b.w.Helper()
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// htmx is the same browser asking for fragments.
func (b *browser) htmx() *browser { return b.with("HX-Request", "true") }

func (b *browser) with(name, value string) *browser {
	other := *b
	other.headers = map[string]string{name: value}
	for k, v := range b.headers {
		other.headers[k] = v
	}
	return &other
}

func (b *browser) do(method, path, contentType string, body io.Reader) *answer {
	b.w.Helper()
	return b.send(b.request(b.w.Context(), method, path, contentType, body))
}

func (b *browser) request(ctx context.Context, method, path, contentType string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, path, body).WithContext(ctx)
	r.Host, r.RemoteAddr = testHost, "@" // an unnamed Unix socket
	scheme := "https"
	if b.plain {
		scheme = "http"
	}
	r.Header.Set("X-Forwarded-For", b.address)
	r.Header.Set("X-Forwarded-Proto", scheme)
	r.Header.Set("Accept-Language", b.language)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if method != http.MethodGet && method != http.MethodHead {
		r.Header.Set("Origin", scheme+"://"+testHost)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	return r
}

func (b *browser) send(r *http.Request) *answer {
	b.w.Helper()
	recorder := httptest.NewRecorder()
	b.w.server.ServeHTTP(recorder, r)
	result := recorder.Result()
	for _, c := range result.Cookies() {
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Host-") {
			b.w.Errorf("%s %s: careless cookie %s", r.Method, r.URL.Path, c)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	return &answer{T: b.w.T, status: result.StatusCode, header: result.Header, body: recorder.Body.String()}
}

func (a *answer) doc() *goquery.Document {
	a.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(a.body))
	if err != nil {
		a.Fatal(err)
	}
	return doc
}

func (a *answer) want(status int) *answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("status %d, want %d; Location %q; body:\n%.2000s", a.status, status, a.header.Get("Location"), a.body)
	}
	return a
}

func (a *answer) wantRedirect(to string) *answer {
	a.Helper()
	a.want(http.StatusSeeOther)
	if got := a.header.Get("Location"); got != to {
		a.Fatalf("redirect to %q, want %q", got, to)
	}
	return a
}

// wantForm expects a form that posts to an address.
func (a *answer) wantForm(action string) *goquery.Selection {
	a.Helper()
	form := a.doc().Find(`form[method="post"][action="` + action + `"]`)
	if form.Length() == 0 {
		a.Fatalf("no form that posts to %s in:\n%.3000s", action, a.body)
	}
	return form
}

func fields(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}
