package controlplane_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/controlplane/postgres"
	"hafen/internal/pgtest"
	"hafen/tenant"
)

const (
	goodPassword  = "vierzehn-Kraniche-am-Deich"
	otherPassword = "drei Ziegel, kein Dach 58"
	home          = "192.0.2.7"
)

// people is Accounts on a database of its own.
type people struct {
	*controlplane.Accounts
	t      *testing.T
	pool   *pgxpool.Pool
	store  *postgres.Store
	hasher *countingHasher
}

func newPeople(t *testing.T) *people {
	t.Helper()
	pool := pgtest.New(t)
	store, err := postgres.New(pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	hasher := &countingHasher{Argon2id: controlplane.NewQuickArgon2id()}
	factors, err := controlplane.NewFactors(site, openKey{})
	if err != nil {
		t.Fatal(err)
	}
	accounts := controlplane.NewAccounts(controlplane.AccountsConfig{Store: store, Hasher: hasher, Texts: plainTexts{}, Factors: factors})
	return &people{accounts, t, pool, store, hasher}
}

// countingHasher counts how often the slow function ran: the work an onlooker could measure.
type countingHasher struct {
	*controlplane.Argon2id
	runs atomic.Int64
}

func (h *countingHasher) Hash(ctx context.Context, password string) (string, error) {
	h.runs.Add(1)
	return h.Argon2id.Hash(ctx, password)
}

func (h *countingHasher) Verify(ctx context.Context, hash, password string) (controlplane.HashMatch, error) {
	h.runs.Add(1)
	return h.Argon2id.Verify(ctx, hash, password)
}

// plainTexts writes mails a test can read: the kind is the subject, the secret the text.
type plainTexts struct{}

func (plainTexts) Render(content controlplane.MailContent, language string) (controlplane.MailText, error) {
	text := controlplane.MailText{Subject: fmt.Sprintf("%T %s", content, language), HTML: "<p>"}
	switch c := content.(type) {
	case controlplane.VerifyMail:
		text.Text = c.Token
	case controlplane.ResetMail:
		text.Text = c.Token
	case controlplane.PasswordChangedMail:
		text.Text = c.Address
	case controlplane.EmailChangeMail:
		text.Text = c.Token
	case controlplane.SecurityMail:
		text.Subject, text.Text = fmt.Sprintf("%s %s", c.Which, language), fmt.Sprintf("%s %s %d %s", c.Address, c.Name, c.Left, c.Undo)
	}
	return text, nil
}

// signUp signs up and returns the link that was mailed.
func (p *people) signUp(email, password string) string {
	p.t.Helper()
	p.must(p.SignUp(p.t.Context(), controlplane.SignUp{Email: email, Password: password, Language: "de", Address: home}))
	return p.lastMail("controlplane.VerifyMail de", email).Text
}

// member signs up and verifies.
func (p *people) member(email string) controlplane.Account {
	p.t.Helper()
	account, err := p.VerifyEmail(p.t.Context(), p.signUp(email, goodPassword))
	p.must(err)
	return account
}

func (p *people) logIn(email, password, address string) (controlplane.LoggedIn, error) {
	return p.LogIn(p.t.Context(), controlplane.LogIn{Email: email, Password: password, UserAgent: "Firefox", Address: address})
}

// session logs in and authenticates.
func (p *people) session(email, password string) (string, controlplane.Session) {
	p.t.Helper()
	in, err := p.logIn(email, password, home)
	p.must(err)
	session, err := p.Authenticate(p.t.Context(), in.Cookie)
	p.must(err)
	return in.Cookie, session
}

// forgot asks for a reset and does the job; it returns the link.
func (p *people) forgot(email string) string {
	p.t.Helper()
	p.must(p.ForgotPassword(p.t.Context(), email, "de", home))
	p.workAccountMails()
	return p.lastMail("controlplane.ResetMail de", email).Text
}

// workAccountMails does what River would do with the jobs of kind account_mail.
func (p *people) workAccountMails() {
	p.t.Helper()
	rows, err := p.pool.Query(p.t.Context(), `delete from river_job where kind = 'account_mail' returning args`)
	p.must(err)
	jobs, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	p.must(err)
	worker := &controlplane.AccountMailWorker{Accounts: p.Accounts}
	for _, encoded := range jobs {
		var job river.Job[controlplane.AccountMailArgs]
		p.must(json.Unmarshal(encoded, &job.Args))
		p.must(worker.Work(p.t.Context(), &job))
	}
}

func (p *people) mails() []controlplane.OutboxMail {
	p.t.Helper()
	mails, err := p.store.ListMails(p.t.Context(), 1000)
	p.must(err)
	return mails
}

func (p *people) lastMail(subject, to string) controlplane.OutboxMail {
	p.t.Helper()
	for _, m := range p.mails() {
		if m.Subject == subject && m.To == to {
			return m
		}
	}
	p.t.Fatalf("no mail %q to %s among %d", subject, to, len(p.mails()))
	return controlplane.OutboxMail{}
}

// backdate makes rows older, so that no test waits.
func (p *people) backdate(table, column string, age time.Duration) {
	p.t.Helper()
	p.exec(`update `+pgx.Identifier{table}.Sanitize()+` set `+pgx.Identifier{column}.Sanitize()+` = `+
		pgx.Identifier{column}.Sanitize()+` - $1::interval`, age)
}

func (p *people) exec(sql string, args ...any) {
	p.t.Helper()
	_, err := p.pool.Exec(p.t.Context(), sql, args...)
	p.must(err)
}

func (p *people) count(sql string, args ...any) int {
	p.t.Helper()
	var n int
	p.must(p.pool.QueryRow(p.t.Context(), sql, args...).Scan(&n))
	return n
}

// audited counts audit entries of an action.
func (p *people) audited(action string) int {
	p.t.Helper()
	return p.count(`select count(*) from audit where action = $1`, action)
}

func (p *people) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// wantFault checks the code, and the kind unless it is empty.
func wantFault(t *testing.T, err error, kind tenant.Kind, code string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want the fault %s", code)
	}
	fault := tenant.FaultOf(err)
	if fault.Code != code || fault.Kind != kind {
		t.Fatalf("fault %s %s (%v), want %s %s", fault.Kind, fault.Code, err, kind, code)
	}
}
