package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/controlplane/postgres"
	"hafen/internal/pgtest"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// school is an active server with many seats, and a homeserver in memory.
type school struct {
	*testing.T
	pool  *pgxpool.Pool
	store *postgres.Store
	actor controlplane.Actor
	id    tenant.ID
	hs    *crowd
}

func newSchool(t *testing.T) *school {
	t.Helper()
	pool := pgtest.New(t)
	store, err := postgres.New(pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := &school{T: t, pool: pool, store: store, hs: &crowd{accounts: map[tenant.Localpart]homeserver.Account{}}}
	s.actor.Email = "anna@example.org"
	s.must(pool.QueryRow(t.Context(), `insert into accounts (email, email_key, password_hash, language, role, verified_at)
		values ('anna@example.org', 'anna@example.org', 'x', 'de', 'customer', now()) returning id::text`).Scan(&s.actor.Account))
	orders := controlplane.NewOrders(controlplane.OrdersConfig{
		Store: store, Billing: billing.Invoices{AcceptAtOnce: true}, Base: "hafen.test", Registrable: func(tenant.Domain) error { return nil },
		Records: func(controlplane.DomainClaim) []tenant.Record { return nil },
	})
	s.id, _, err = orders.Order(t.Context(), s.actor, controlplane.OrderRequest{Plan: "basic", Name: "schule", FirstAdmin: "anna", Language: "de"})
	s.must(err)
	for again := true; again; {
		claim, ok, err := store.ClaimTenant(t.Context(), s.id, "test", time.Minute)
		s.must(err)
		if !ok {
			t.Fatal("the server is claimed by somebody else")
		}
		again, err = store.FinishReconcile(t.Context(), s.id, "test", claim)
		s.must(err)
	}
	s.exec(`update plans set seats = 2000`)
	return s
}

func (s *school) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *school) exec(sql string, args ...any) {
	s.Helper()
	_, err := s.pool.Exec(s.Context(), sql, args...)
	s.must(err)
}

func (s *school) count(sql string, args ...any) (n int) {
	s.Helper()
	s.must(s.pool.QueryRow(s.Context(), sql, args...).Scan(&n))
	return n
}

// crowd is a homeserver in memory. It calls kill after so many accounts: the work is done then, and nobody was told.
type crowd struct {
	silent
	mu       sync.Mutex
	accounts map[tenant.Localpart]homeserver.Account
	after    int
	kill     func()
	listed   []homeserver.Page
	changed  []tenant.Localpart // whose password was set
}

// silent is a homeserver that can do nothing.
type silent struct{ homeserver.Server }

// crowds reaches it.
type crowds struct{ *crowd }

func (c crowds) Server(context.Context, tenant.Spec) (homeserver.Server, error) { return c.crowd, nil }

func (c *crowd) Create(_ context.Context, n homeserver.NewAccount) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.accounts[n.Localpart]; there {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	}
	c.accounts[n.Localpart] = homeserver.Account{Localpart: n.Localpart, DisplayName: n.DisplayName, Created: time.Now()}
	if c.kill != nil && len(c.accounts) == c.after {
		c.kill()
	}
	return nil
}

func (c *crowd) SetPassword(_ context.Context, who tenant.Localpart, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = append(c.changed, who)
	return nil
}

// open seals nothing but checks the context.
type open struct{}

func (open) SealMail(plaintext, context []byte) ([]byte, error) {
	return append(append([]byte{}, context...), plaintext...), nil
}

func (open) OpenMail(sealed, context []byte) ([]byte, error) {
	rest, ok := strings.CutPrefix(string(sealed), string(context))
	if !ok {
		return nil, errors.New("sealed for something else")
	}
	return []byte(rest), nil
}

// work plays the queue with four workers until it is empty or ctx ends. What a killed worker had taken is lost with it.
func (s *school) work(ctx context.Context) {
	worker := &controlplane.OperationWorker{Store: s.store, Mailbox: open{}, Homeservers: crowds{s.hs}, Members: s.store, Log: slog.New(slog.DiscardHandler)}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				var operation string
				err := s.pool.QueryRow(ctx, `delete from river_job where id = (select id from river_job where kind = 'operation'
					order by priority, id limit 1 for update skip locked) returning args->>'operation'`).Scan(&operation)
				if err != nil {
					return
				}
				// It fails when it is killed; otherwise it is tried again, as River would.
				for range 20 {
					err := worker.Work(ctx, &river.Job[controlplane.OperationArgs]{Args: controlplane.OperationArgs{Operation: operation}})
					if err == nil || ctx.Err() != nil {
						break
					}
					s.Logf("operation %s is tried again: %v", operation, err)
				}
			}
		})
	}
	all.Wait()
}

// TestAnImportSurvivesTheDeathOfItsWorkers: five hundred rows, and the process dies in the middle with work in its hands.
func TestAnImportSurvivesTheDeathOfItsWorkers(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	imports := controlplane.NewImports(controlplane.ImportsConfig{Store: s.store, Mailbox: open{}})
	var file strings.Builder
	file.WriteString("Benutzername;Anzeigename;E-Mail\n")
	for i := range 500 {
		fmt.Fprintf(&file, "schueler%03d;Schüler %d;s%d@schule.example\n", i, i, i)
	}
	preview, err := imports.Read(t.Context(), s.actor, s.id, "alle.csv", []byte(file.String()))
	s.must(err)
	id, err := imports.Begin(t.Context(), s.actor, s.id, preview)
	s.must(err)

	ctx, kill := context.WithCancel(t.Context())
	s.hs.after, s.hs.kill = 200, kill
	s.work(ctx)
	half, err := imports.Find(t.Context(), s.actor, s.id, id)
	s.must(err)
	if half.Done < 150 || half.Done >= 200 || half.Finished() {
		t.Fatalf("%d of 500 rows are done after the kill at the 200th", half.Done)
	}
	// The next process finds what was lost once its claims have run out.
	s.exec(`delete from river_job where kind = 'operation'`)
	s.exec(`update operations set claimed_until = now() - interval '1 second' where claimed_until > now()`)
	s.exec(`update operations set created_at = now() - interval '1 minute'`)
	woken, err := s.store.WakeOperations(t.Context())
	s.must(err)
	if woken == 0 || woken > controlplane.OperationShare {
		t.Errorf("%d rows were woken: those in the killed process's hands are at most its share", woken)
	}
	s.work(t.Context())
	whole, err := imports.Find(t.Context(), s.actor, s.id, id)
	s.must(err)
	if whole.Done != 500 || whole.Failed != 0 || len(s.hs.accounts) != 500 {
		t.Errorf("%d done, %d failed, %d accounts", whole.Done, whole.Failed, len(s.hs.accounts))
	}
	if n := s.count(`select count(*) from members where state = 'active'`); n != 501 {
		t.Errorf("%d members", n)
	}
	if n := s.count(`select count(*) from river_job where kind = 'member_mail'`); n != 500 {
		t.Errorf("%d mails", n)
	}
	if n := s.count(`select count(*) from operations where sealed_password is not null`); n != 0 {
		t.Errorf("%d passwords were kept", n)
	}
}

// TestMailsOfAnImport: each carries a link that works once.
func TestMailsOfAnImport(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	worker := &controlplane.MemberMailWorker{Store: s.store, Texts: linkTexts{}}
	job := &river.Job[controlplane.MemberMailArgs]{Args: controlplane.MemberMailArgs{Tenant: s.id, Localpart: "anna", Email: "anna@schule.example"}}
	s.must(worker.Work(t.Context(), job))
	mails, err := s.store.ListMails(t.Context(), 1)
	s.must(err)
	link, err := s.store.FindPasswordLink(t.Context(), mails[0].Text)
	s.must(err)
	if link.Localpart != "anna" || mails[0].To != "anna@schule.example" || mails[0].Subject != "de true" {
		t.Errorf("%+v for %+v", mails[0], link)
	}
	job.Args.Localpart = "nobody"
	if err := worker.Work(t.Context(), job); !errors.Is(err, &river.JobCancelError{}) {
		t.Errorf("a mail to nobody: %v", err)
	}
}

// linkTexts writes the secret of a link alone.
type linkTexts struct{}

func (linkTexts) Render(content controlplane.MailContent, language string) (controlplane.MailText, error) {
	mail := content.(controlplane.MemberPasswordMail)
	return controlplane.MailText{Subject: fmt.Sprintf("%s %t", language, mail.New), Text: mail.Token, HTML: "<p>"}, nil
}

func TestFilesAsSpreadsheetsWriteThem(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	imports := controlplane.NewImports(controlplane.ImportsConfig{Store: s.store, Mailbox: open{}})
	rows := "Benutzername;Anzeigename\r\nida;Jürgen Öl\r\n"
	for name, file := range map[string]string{
		"UTF-8": rows, "UTF-8 with its mark": "\uFEFF" + rows, "Windows-1252": "Benutzername;Anzeigename\r\nida;J\xfcrgen \xd6l\r\n",
		"UTF-16, little": utf16of(rows, false), "UTF-16, big": utf16of(rows, true), "commas": "username,display name\nida,\"Jürgen Öl\"\n",
		"tabs": "USER-NAME\tDisplay_Name\nida\tJürgen Öl\n", "quotes": "Anzeigename;Benutzername;Klasse\n\"Jürgen Öl\";\"ida\";7b\n\n;;\n",
	} {
		preview, err := imports.Read(t.Context(), s.actor, s.id, name, []byte(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := imports.Preview(t.Context(), s.actor, s.id, preview)
		s.must(err)
		if len(p.Rows) != 1 || p.Rows[0].Localpart != "ida" || p.Rows[0].DisplayName != "Jürgen Öl" || p.Rows[0].Code != "" {
			t.Errorf("%s: %+v", name, p.Rows)
		}
	}
	preview, err := imports.Read(t.Context(), s.actor, s.id, "tabs", []byte("username\tdisplay name\te-mail\tpassword\nida\t\t\ta good password\n"))
	s.must(err)
	p, err := imports.Preview(t.Context(), s.actor, s.id, preview)
	s.must(err)
	if row := p.Rows[0]; row.DisplayName != "" || row.Email != "" || !row.Own {
		t.Errorf("empty cells between tabs: %+v", row)
	}
	for code, file := range map[string]string{
		"import.encoding": "PK\x03\x04\x00", "import.header": "ida;Jürgen\n", "import.empty": "username\n\n", "import.quotes": "username\na\n\"b\n",
		"import.large": strings.Repeat("x", controlplane.MaxImportBytes+1), "import.rows": "username\n" + strings.Repeat("a\n", controlplane.MaxImportRows+1),
	} {
		if _, err := imports.Read(t.Context(), s.actor, s.id, "x", []byte(file)); tenant.FaultOf(err).Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func utf16of(text string, big bool) string {
	var b strings.Builder
	for _, r := range "\uFEFF" + text {
		low, high := byte(r), byte(r>>8) // nothing here is beyond the first plane
		if big {
			low, high = high, low
		}
		b.WriteByte(low)
		b.WriteByte(high)
	}
	return b.String()
}

func TestRowsOfAFileAreJudged(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	imports := controlplane.NewImports(controlplane.ImportsConfig{Store: s.store, Mailbox: open{}})
	want := map[string]string{
		"ida,,,": "", "IDA,,,": "import.duplicate", "anna,,,": "member.exists", "a b,,,": "member.letters", "hafen-x,,,": "member.reserved", ",Ida,,": "member.empty",
		strings.Repeat("a", 65) + ",,,": "member.long", "kim,,kim@,": "email.invalid", "leo,,,short": "password.member_short", "max,,," + strings.Repeat("x", 73): "password.long",
		"nora," + strings.Repeat("x", 101) + ",,": "member.display_name", "otto,Otto,otto@example.org,a good password": "",
	}
	file := []string{"username,display name,e-mail,password", "ida,,,"}
	for row := range want {
		if row != "ida,,," {
			file = append(file, row)
		}
	}
	preview, err := imports.Read(t.Context(), s.actor, s.id, "x", []byte(strings.Join(file, "\n")))
	s.must(err)
	p, err := imports.Preview(t.Context(), s.actor, s.id, preview)
	s.must(err)
	if len(p.Rows) != len(want) || p.Good() != 2 {
		t.Errorf("%d rows, %d good", len(p.Rows), p.Good())
	}
	for _, row := range p.Rows {
		if row.Code != want[file[row.Line-1]] {
			t.Errorf("%q: %q, want %q", file[row.Line-1], row.Code, want[file[row.Line-1]])
		}
		if (row.Sealed != nil) != (row.Code == "" || row.Code == "member.exists") {
			t.Errorf("%q: sealed %t", file[row.Line-1], row.Sealed != nil)
		}
	}
}
