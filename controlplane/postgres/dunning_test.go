package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

// owing is a server whose first invoice was due until "day 0" of these tests began.
type owing struct {
	*world
	id      tenant.ID
	invoice string
	due     time.Time
	now     time.Time
}

func newOwing(t *testing.T) *owing {
	t.Helper()
	w := newWorld(t)
	w.sells(sellerHere)
	o := &owing{world: w, id: w.active("anna")}
	w.paying(o.id)
	o.invoice = w.issue(o.id, 1, november)
	o.due = w.invoice(o.invoice).Due
	o.now = o.due
	return o
}

// day looks on a day after the bill was due, twice: the second look must find nothing to do.
func (o *owing) day(n int, want tenant.Stage) {
	o.Helper()
	o.now = o.due.AddDate(0, 0, n)
	dunner := &controlplane.Dunner{Store: o.store, Now: func() time.Time { return o.now }, Log: slog.New(slog.DiscardHandler)}
	o.must(dunner.Look(o.ctx))
	o.must(dunner.Look(o.ctx))
	o.stage(want)
}

func (o *owing) stage(want tenant.Stage) {
	o.Helper()
	owed, err := o.store.FindOwed(o.ctx, o.id)
	o.must(err)
	if owed.Stage != want {
		o.Fatalf("on %s the stage is %s, want %s", o.now, owed.Stage, want)
	}
}

func (o *owing) restricted(want bool) {
	o.Helper()
	server, err := o.store.FindServer(o.ctx, "", o.id)
	o.must(err)
	if server.Restricted != want {
		o.Fatalf("restricted: %t, want %t", server.Restricted, want)
	}
}

func (o *owing) pay() {
	o.Helper()
	o.must(o.book(o.invoice, 476, o.now))
}

// The whole way down, with each mail once.
func TestAnUnpaidServerGoesTheWholeWay(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	o.day(0, tenant.StagePaid)
	o.day(3, tenant.StageOverdue)
	o.wantStatus(o.id, tenant.Active)
	o.restricted(false)
	o.day(10, tenant.StageRestricted)
	o.wantStatus(o.id, tenant.Active)
	o.restricted(true)
	o.day(20, tenant.StageSuspended)
	o.wantStatus(o.id, tenant.Suspended)
	o.day(45, tenant.StageAnnounced)
	o.day(59, tenant.StageAnnounced)
	o.wantStatus(o.id, tenant.Suspended)
	o.day(60, tenant.StageDeleted)
	o.wantStatus(o.id, tenant.Deleting)
	if n := o.jobs("dunning_mail"); n != 5 {
		t.Errorf("%d mails for five stages", n)
	}
	if n := o.count(`select count(*) from audit where action = 'dunning.stage' and detail ? 'before' and detail ? 'after'`); n != 5 {
		t.Errorf("%d audit entries", n)
	}
	servers := controlplane.NewServers(controlplane.ServersConfig{Store: o.store})
	o.wantFault(servers.Restore(o.ctx, o.anna, o.id), "payment.first")
	o.pay()
	o.stage(tenant.StagePaid)
	o.wantStatus(o.id, tenant.Provisioning)
	o.restricted(false)
}

// Paying gives back in the transaction that books the money: a restricted server is not stopped for it.
func TestPayingRestoresAtOnce(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	o.day(10, tenant.StageRestricted)
	o.reconcile(o.id)
	before := o.jobs("reconcile")
	o.must(o.book(o.invoice, 100, o.now))
	o.stage(tenant.StageRestricted)
	o.must(o.book(o.invoice, 376, o.now))
	o.stage(tenant.StagePaid)
	o.restricted(false)
	o.wantStatus(o.id, tenant.Active)
	if o.jobs("reconcile") != before+1 {
		t.Error("nobody changes the route")
	}
	o.reconcile(o.id)

	o.invoice = o.issue(o.id, 1, november)
	o.day(21, tenant.StageSuspended)
	o.reconcile(o.id)
	o.pay()
	o.wantStatus(o.id, tenant.Provisioning)
	if n := o.count(`select count(*) from river_job where kind = 'tenant_mail' and args ->> 'which' = 'server_resumed'`); n != 1 {
		t.Errorf("%d mails say that it works again", n)
	}
}

// Whatever was taken comes back with the money, and nothing else happens to a server that was not stopped.
func TestPayingGivesBackFromEveryStage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		days   int
		stage  tenant.Stage
		status tenant.Status
		looks  int // of the reconcile loop at the server, for the payment
	}{
		{0, tenant.StagePaid, tenant.Active, 0},
		{3, tenant.StageOverdue, tenant.Active, 0},
		{10, tenant.StageRestricted, tenant.Active, 1},
		{20, tenant.StageSuspended, tenant.Provisioning, 2},
		{45, tenant.StageAnnounced, tenant.Provisioning, 2},
		{60, tenant.StageDeleted, tenant.Provisioning, 3},
	} {
		t.Run(string(test.stage), func(t *testing.T) {
			t.Parallel()
			o := newOwing(t)
			for _, day := range []int{3, 10, 20, 45, 60} { // as time goes by, with somebody looking
				if day < test.days {
					o.now = o.due.AddDate(0, 0, day)
					o.must(o.store.Dun(o.ctx, o.id, o.now))
				}
			}
			o.day(test.days, test.stage)
			if test.looks > 0 {
				o.reconcile(o.id)
			}
			before := o.jobs("reconcile")
			o.pay()
			o.stage(tenant.StagePaid)
			o.restricted(false)
			o.wantStatus(o.id, test.status)
			if n := o.jobs("reconcile") - before; n != test.looks {
				t.Errorf("%d looks at the server, want %d", n, test.looks)
			}
		})
	}
}

// A payment takes the server before it takes the bill, as dunning does: otherwise each would wait for what the other holds.
func TestAPaymentWaitsWithEmptyHands(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*owing) error{
		"paid": func(o *owing) error { return o.book(o.invoice, 476, o.now) },
		"void": func(o *owing) error {
			_, err := o.store.VoidInvoice(o.ctx, o.anna, o.invoice, "a mistake", o.now)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOwing(t)
			dunning, err := o.pool.Begin(o.ctx)
			o.must(err)
			defer dunning.Rollback(context.Background())
			_, err = dunning.Exec(o.ctx, `select from tenants where id = $1 for update`, o.id)
			o.must(err)
			done := make(chan error, 1)
			go func() { done <- act(o) }()
			deadline := time.Now().Add(20 * time.Second)
			for o.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) == 0 {
				if time.Now().After(deadline) {
					t.Fatal("it does not wait for the server")
				}
				time.Sleep(5 * time.Millisecond)
			}
			if _, err := dunning.Exec(o.ctx, `select from invoices where tenant_id = $1 for update nowait`, o.id); err != nil {
				t.Errorf("it holds the bill while it waits for the server: %v", err)
			}
			o.must(dunning.Rollback(o.ctx))
			o.must(<-done)
		})
	}
}

func TestAVoidInvoiceIsNotOwed(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	o.day(20, tenant.StageSuspended)
	_, err := o.store.VoidInvoice(o.ctx, o.anna, o.invoice, "a mistake", o.now)
	o.must(err)
	o.stage(tenant.StagePaid)
	o.wantStatus(o.id, tenant.Provisioning)
}

// One of two bills is paid: the other decides.
func TestTheOldestBillDecides(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	o.issue(o.id, 1, november.AddDate(0, 0, 10))
	o.day(20, tenant.StageSuspended)
	o.pay()
	o.stage(tenant.StageRestricted)
	o.wantStatus(o.id, tenant.Provisioning)
	o.restricted(true)
}

func TestAPaymentResumesNoOtherSuspension(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	o.must(o.store.Transition(o.ctx, controlplane.Transition{Actor: o.anna, Tenant: o.id, To: tenant.Suspended, Reason: "abuse", Action: "server.suspend"}))
	o.day(20, tenant.StageSuspended)
	o.pay()
	o.stage(tenant.StagePaid)
	server, err := o.store.FindServer(o.ctx, "", o.id)
	o.must(err)
	if server.Status != tenant.Suspended || server.SuspendedFor != "abuse" {
		t.Fatalf("%s for %q", server.Status, server.SuspendedFor)
	}
}

func TestWhoDeletesAnUnpaidServerOwesIt(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	o.day(3, tenant.StageOverdue)
	o.must(o.store.Transition(o.ctx, controlplane.Transition{Actor: o.anna, Tenant: o.id, To: tenant.Deleting, DeleteAfter: time.Hour, Action: "server.delete"}))
	o.day(60, tenant.StageOverdue)
	o.pay()
	o.stage(tenant.StagePaid)
	o.wantStatus(o.id, tenant.Deleting)
}

func TestAPauseGivesBackAndBeginsAnew(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	other := o.active("berta")
	o.paying(other)
	o.day(20, tenant.StageSuspended)
	o.must(o.store.PauseDunning(o.ctx, o.anna, o.id, o.due.AddDate(0, 0, 40), "pays on the first", o.now))
	o.stage(tenant.StageOverdue)
	o.wantStatus(o.id, tenant.Provisioning)
	o.restricted(false)
	if n := o.count(`select count(*) from subscriptions where pause_note = 'pays on the first'`); n != 2 {
		t.Errorf("%d of the customer's servers wait", n)
	}
	o.day(49, tenant.StageOverdue)
	o.day(50, tenant.StageRestricted)
	o.must(o.store.PauseDunning(o.ctx, o.anna, o.id, time.Time{}, "", o.now))
	o.stage(tenant.StageAnnounced)
	o.wantFault(o.store.PauseDunning(o.ctx, o.anna, "tzzzzzzzzzzzzzzzz", o.now, "", o.now), "dunning.none")
}

// After a long night nothing is deleted that was not announced in time.
func TestNobodyLookedForMonths(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	o.day(200, tenant.StageAnnounced)
	o.wantStatus(o.id, tenant.Suspended)
	o.day(214, tenant.StageAnnounced)
	o.day(215, tenant.StageDeleted)
}

func TestAnOrderThatWasNeverPaidIsNotDunned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "en"})
	w.must(err)
	w.paying(id)
	w.issue(id, 1, november)
	if list, err := w.store.ListDunning(w.ctx, november.AddDate(1, 0, 0)); err != nil || len(list) != 0 {
		t.Fatalf("dunned: %v, %v", list, err)
	}
}

// wording writes mails that say only what they are.
type wording struct{}

func (wording) Render(content controlplane.MailContent, language string) (controlplane.MailText, error) {
	switch c := content.(type) {
	case controlplane.DunningMail:
		return controlplane.MailText{Subject: string(c.Stage) + " " + c.Number}, nil
	case controlplane.InvoiceLetter:
		return controlplane.MailText{Subject: string(c.Which) + " " + c.Invoice.Number + " " + language}, nil
	case controlplane.ServerMail:
		return controlplane.MailText{Subject: string(c.Which) + " " + string(c.Server.ServerName)}, nil
	}
	return controlplane.MailText{}, errors.New("no words")
}

type printer struct{}

func (printer) Print(d billing.Document) ([]byte, error) { return []byte("%PDF " + d.Number), nil }

// dying is a store that dies after the mail was put into the outbox, as a process may.
type dying struct{ controlplane.BillMailStore }

func (d dying) AddMailOnce(ctx context.Context, name, invoice string, m controlplane.Mail) error {
	return errors.Join(d.BillMailStore.AddMailOnce(ctx, name, invoice, m), errors.New("killed"))
}

func TestMailsAboutBillsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	o := newOwing(t)
	o.day(3, tenant.StageOverdue)
	mails := &controlplane.BillMails{Store: dying{o.store}, Texts: wording{}, Printer: printer{}}
	reminder := controlplane.DunningMailArgs{Tenant: o.id, Stage: tenant.StageOverdue, Since: o.now}
	letter := controlplane.InvoiceMailArgs{Invoice: o.invoice, Which: controlplane.MailInvoiceIssued}
	for range 2 {
		if mails.Dunning(o.ctx, reminder) == nil || mails.Invoice(o.ctx, letter) == nil {
			t.Fatal("it did not die")
		}
	}
	mails.Store = o.store
	o.must(mails.Dunning(o.ctx, reminder))
	o.must(mails.Invoice(o.ctx, letter))
	list, err := o.store.ListMails(o.ctx, 10)
	o.must(err)
	if len(list) != 2 || o.jobs("mail") != 2 {
		t.Fatalf("%d mails, %d jobs", len(list), o.jobs("mail"))
	}
	m, err := o.store.FindMail(o.ctx, list[0].ID)
	o.must(err)
	if m.Subject != "issued 2026-000001 de" || m.To != "anna@example.org" || m.File == nil || m.File.Name != "Rechnung-2026-000001.pdf" || string(m.File.Content) != "%PDF 2026-000001" {
		t.Errorf("mail %+v", m)
	}
	o.pay()
	o.must(mails.Dunning(o.ctx, controlplane.DunningMailArgs{Tenant: o.id, Stage: tenant.StageOverdue, Since: o.now.Add(time.Hour)}))
	if list, err = o.store.ListMails(o.ctx, 10); err != nil || len(list) != 2 {
		t.Errorf("a reminder went out after it was paid: %d, %v", len(list), err)
	}
	o.exec(`update accounts set email = 'anna@new.example' where id = $1`, o.anna.Account)
	o.must(mails.Invoice(o.ctx, controlplane.InvoiceMailArgs{Invoice: o.invoice, Which: controlplane.MailInvoicePaid}))
	if list, err = o.store.ListMails(o.ctx, 1); err != nil || list[0].To != "anna@new.example" {
		t.Errorf("a mail went to where its account is no longer: %+v, %v", list, err)
	}
}

// A process that is killed after the mail was put into the outbox leaves a job that is begun anew.
func TestMailsAboutServersAreWrittenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "en"})
	w.must(err)
	job := &river.Job[controlplane.TenantMailArgs]{
		JobRow: &rivertype.JobRow{ID: 7}, Args: controlplane.TenantMailArgs{Tenant: id, Which: controlplane.MailOrderReceived},
	}
	worker := &controlplane.TenantMailWorker{Store: w.store, Texts: wording{}}
	w.must(worker.Work(w.ctx, job))
	w.must(worker.Work(w.ctx, job))
	if mails, jobs := w.count(`select count(*) from mails`), w.count(`select count(*) from river_job where kind = 'mail'`); mails != 1 || jobs != 1 {
		t.Fatalf("%d mails, %d jobs", mails, jobs)
	}
	job.JobRow = &rivertype.JobRow{ID: 8} // it has happened again
	w.must(worker.Work(w.ctx, job))
	if mails := w.count(`select count(*) from mails`); mails != 2 {
		t.Fatalf("%d mails", mails)
	}
}
