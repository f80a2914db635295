package controlplane_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"hafen/controlplane"
	"hafen/controlplane/smtp"
	"hafen/internal/smtptest"
	"hafen/tenant"
)

// soon retries at once, so that no test waits for River's backoff.
type soon struct{}

func (soon) NextRetry(*rivertype.JobRow) time.Time { return time.Now() }

// work runs the job queue with the workers of accounts until the test ends.
func (p *people) work(sender controlplane.MailSender) {
	p.t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &controlplane.MailWorker{Outbox: p.store, Sender: sender})
	river.AddWorker(workers, &controlplane.AccountMailWorker{Accounts: p.Accounts})
	river.AddWorker(workers, &controlplane.CleanWorker{Store: p.store})
	client, err := river.NewClient(riverpgxv5.New(p.pool), &river.Config{
		Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		PeriodicJobs: []*river.PeriodicJob{controlplane.CleanPeriodically()}, RetryPolicy: soon{}, TestOnly: true,
		FetchPollInterval: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	p.must(err)
	p.must(client.Start(p.t.Context()))
	p.t.Cleanup(func() { <-client.Stopped() }) // the test's context has ended by then
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func (p *people) sendingTo(s *smtptest.Server) *smtp.Sender {
	p.t.Helper()
	sender, err := smtp.New(smtp.Config{
		Host: s.Host, Port: s.Port, Encryption: smtp.StartTLS, From: "noreply@hafen.example", Roots: s.Roots, Timeout: 10 * time.Second,
	})
	p.must(err)
	return sender
}

func TestMailsGoOutAndAreErased(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	server := smtptest.New(t, smtptest.Config{})
	server.Fail(smtptest.AtRcpt, "450 4.2.1 greylisted", smtptest.Drop)
	server.Fail(smtptest.AtBody, smtptest.Drop)
	p.work(p.sendingTo(server))
	p.signUpWithoutLooking("anna@example.org")
	eventually(t, "the mail is sent", func() bool { return p.mails()[0].SentAt != nil })

	taken := server.Mails()
	if len(taken) != 1 || taken[0].To != "anna@example.org" || !strings.Contains(taken[0].Data, "<"+p.mails()[0].MessageID+"@hafen.example>") {
		t.Errorf("taken: %+v", taken)
	}
	if m := p.mails()[0]; m.Text != "" || m.HTML != "" || m.Failure != "" || m.Subject == "" {
		t.Errorf("kept: %+v", m)
	}
	p.must(p.ForgotPassword(t.Context(), "anna@example.org", "de", home))
	eventually(t, "the reset is sent", func() bool { return len(server.Mails()) == 2 })
	if p.count(`select count(*) from river_job where args::text like '%' || $1 || '%'`, "token") != 0 {
		t.Error("a job holds a token")
	}
}

func TestARefusedMailIsGivenUp(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	server := smtptest.New(t, smtptest.Config{})
	server.Fail(smtptest.AtRcpt, "550 5.1.1 no such user")
	p.work(p.sendingTo(server))
	p.signUpWithoutLooking("anna@example.org")
	eventually(t, "the mail is given up", func() bool { return p.mails()[0].Failure != "" })
	if m := p.mails()[0]; m.Text != "" || m.SentAt != nil || !strings.Contains(m.Failure, "550") {
		t.Errorf("kept: %+v", m)
	}
	eventually(t, "the job is cancelled", func() bool {
		return p.count(`select count(*) from river_job where kind = 'mail' and state = 'cancelled'`) == 1
	})
	if len(server.Mails()) != 0 {
		t.Error("it was sent again")
	}
}

func TestTheLastAttemptGivesUp(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	server := smtptest.New(t, smtptest.Config{})
	for range 12 {
		server.Fail(smtptest.AtMail, "451 4.3.0 later")
	}
	p.work(p.sendingTo(server))
	p.signUpWithoutLooking("anna@example.org")
	eventually(t, "the mail is given up", func() bool { return p.mails()[0].Failure != "" })
	if n := len(server.Mails()); n != 0 {
		t.Errorf("%d mails sent", n)
	}
	eventually(t, "the job is discarded", func() bool {
		return p.count(`select count(*) from river_job where kind = 'mail' and state = 'discarded' and attempt = 12`) == 1
	})
}

func TestTrialModeKeepsMails(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.work(nil)
	p.signUpWithoutLooking("anna@example.org")
	eventually(t, "the job is done", func() bool {
		return p.count(`select count(*) from river_job where kind = 'mail' and state = 'completed'`) == 1
	})
	m := p.mails()[0]
	if m.Text == "" || m.SentAt != nil || m.Failure != "" {
		t.Errorf("kept: %+v", m)
	}
	if found, err := p.store.FindMail(t.Context(), m.ID); err != nil || found.Text != m.Text {
		t.Errorf("found %+v, %v", found, err)
	}
	_, err := p.store.FindMail(t.Context(), m.ID+1)
	wantFault(t, err, tenant.NotFound, "mail.unknown")
}

// A mail exists if and only if the change it tells of does.
func TestAMailLeavesWithItsChangeOrNotAtAll(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.exec(`create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$`)
	p.exec(`create trigger refuse before insert on audit for each row execute function refuse()`)
	err := p.SignUp(t.Context(), controlplane.SignUp{Email: "anna@example.org", Password: goodPassword, Address: home})
	if err == nil {
		t.Fatal("signed up without an audit entry")
	}
	for _, table := range []string{"accounts", "tokens", "mails", "river_job"} {
		if n := p.count(`select count(*) from ` + pgx.Identifier{table}.Sanitize()); n != 0 {
			t.Errorf("%s: %d rows half made", table, n)
		}
	}
}

// signUpWithoutLooking is for when the mail's text may be gone already.
func (p *people) signUpWithoutLooking(email string) {
	p.t.Helper()
	p.must(p.SignUp(p.t.Context(), controlplane.SignUp{Email: email, Password: goodPassword, Language: "de", Address: home}))
}
