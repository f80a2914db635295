package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Dunner looks after unpaid bills: it moves every server to the stage that the days say.
//
// A stage is recorded together with what it does to the server, the mail's job and the audit entry. The mail's job writes its mail
// once, whoever dies when. Paying takes effect without it, in the transaction that books the money.
type Dunner struct {
	Store DunningStore
	Every time.Duration    // a minute when zero
	Now   func() time.Time // time.Now when nil
	Work  WorkLog          // nil keeps no record of failures
	Log   *slog.Logger
}

// DunningStore moves servers from stage to stage.
type DunningStore interface {
	// ListDunning lists servers whose stage is not what the days say.
	ListDunning(ctx context.Context, now time.Time) ([]tenant.ID, error)
	// Dun moves a server to the stage that the days say; from there nothing happens until another day.
	Dun(ctx context.Context, id tenant.ID, now time.Time) error
}

// Run looks until ctx ends.
func (d *Dunner) Run(ctx context.Context) error {
	every := d.Every
	if every == 0 {
		every = time.Minute
	}
	return repeat(ctx, every, d.Log, "dunning", noted(d.Work, WorkDunning, d.Look))
}

// Look goes over all servers once.
func (d *Dunner) Look(ctx context.Context) error {
	now := time.Now
	if d.Now != nil {
		now = d.Now
	}
	list, err := d.Store.ListDunning(ctx, now())
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range list {
		if err := d.Store.Dun(ctx, id, now()); err != nil && ctx.Err() == nil {
			failed = append(failed, fmt.Errorf("dun %s: %w", id, err)) // one that fails must not hold up the others
		}
	}
	return errors.Join(failed...)
}

// DunningMailArgs is the job of telling a customer of a stage. It is recorded with the stage.
type DunningMailArgs struct {
	Tenant tenant.ID    `json:"tenant"`
	Stage  tenant.Stage `json:"stage"`
	Since  time.Time    `json:"since"`
}

// Kind names the job.
func (DunningMailArgs) Kind() string { return "dunning_mail" }

// DunningMail is the content of a mail about a stage.
type DunningMail struct {
	Owed
	Server Server
}

func (DunningMail) mailContent() {}

// InvoiceMailArgs is the job of sending an invoice, or saying that it was paid.
type InvoiceMailArgs struct {
	Invoice string      `json:"invoice"`
	Which   InvoiceMail `json:"which"`
}

// InvoiceMail is an occasion to write about an invoice.
type InvoiceMail string

// The occasions.
const (
	MailInvoiceIssued  InvoiceMail = "issued"
	MailInvoiceReceipt InvoiceMail = "receipt" // of an order, paid for before
	MailInvoicePaid    InvoiceMail = "paid"
	MailInvoiceVoid    InvoiceMail = "void" // with the credit note
)

// Kind names the job.
func (InvoiceMailArgs) Kind() string { return "invoice_mail" }

// InvoiceLetter is the content of a mail about an invoice.
type InvoiceLetter struct {
	Which   InvoiceMail
	Invoice billing.Document
}

func (InvoiceLetter) mailContent() {}

// BillMailStore is what mails about bills are made from.
type BillMailStore interface {
	ServerFinder
	InvoiceFiles
	FindOwed(ctx context.Context, id tenant.ID) (Owed, error)
	// FindProfile says who pays for an account's servers, and where mails to them go now.
	FindProfile(ctx context.Context, account string) (billing.Party, error)
	// AddMailOnce puts a mail into the outbox, unless one with this name was put there before. invoice is attached when not "".
	AddMailOnce(ctx context.Context, name, invoice string, m Mail) error
}

// BillMails writes mails about bills.
type BillMails struct {
	Store   BillMailStore
	Texts   MailTexts
	Printer InvoicePrinter
}

// Dunning writes the mail of a stage, unless that is over.
func (b *BillMails) Dunning(ctx context.Context, args DunningMailArgs) error {
	owed, err := b.Store.FindOwed(ctx, args.Tenant)
	if err != nil {
		return fmt.Errorf("find what %s owes: %w", args.Tenant, err)
	}
	if owed.Stage != args.Stage || owed.Due.IsZero() {
		return nil // paid meanwhile: a reminder would only confuse
	}
	server, err := b.Store.FindServer(ctx, "", args.Tenant)
	if err != nil {
		return fmt.Errorf("find the server of a reminder: %w", err)
	}
	attached, err := b.attach(ctx, owed.Invoice)
	if err != nil {
		return err
	}
	text, err := b.Texts.Render(DunningMail{Owed: owed, Server: server}, server.Language)
	if err != nil {
		return fmt.Errorf("write the mail of stage %s: %w", args.Stage, err)
	}
	name := fmt.Sprintf("dunning %s %s %d", args.Tenant, args.Stage, args.Since.Unix())
	return b.Store.AddMailOnce(ctx, name, attached, Mail{To: server.OwnerEmail, MailText: text})
}

// Invoice writes the mail about an invoice.
func (b *BillMails) Invoice(ctx context.Context, args InvoiceMailArgs) error {
	d, err := b.Store.FindInvoice(ctx, args.Invoice)
	if err != nil {
		return fmt.Errorf("find the invoice of a mail: %w", err)
	}
	attached, err := b.attach(ctx, d.ID)
	if err != nil {
		return err
	}
	payer, err := b.Store.FindProfile(ctx, d.Account) // the address may be another than when the invoice was issued
	if err != nil {
		return err
	}
	text, err := b.Texts.Render(InvoiceLetter{Which: args.Which, Invoice: d}, d.Language)
	if err != nil {
		return fmt.Errorf("write the mail of invoice %s: %w", d.Number, err)
	}
	return b.Store.AddMailOnce(ctx, "invoice "+d.ID+" "+string(args.Which), attached, Mail{To: payer.Email, MailText: text})
}

// attach prints an invoice of our own, so that it can go with a mail; a provider's stays with the provider.
func (b *BillMails) attach(ctx context.Context, invoice string) (string, error) {
	if invoice == "" {
		return "", nil
	}
	d, err := b.Store.FindInvoice(ctx, invoice)
	if err != nil || d.Provider != "invoice" {
		return "", err
	}
	if _, err := printInvoice(ctx, b.Store, b.Printer, d); err != nil {
		return "", err
	}
	return invoice, nil
}

// DunningMailWorker does DunningMailArgs. To be registered with River.
type DunningMailWorker struct {
	river.WorkerDefaults[DunningMailArgs]
	Mails *BillMails
}

// Work writes the mail.
func (w *DunningMailWorker) Work(ctx context.Context, job *river.Job[DunningMailArgs]) error {
	return w.Mails.Dunning(ctx, job.Args)
}

// InvoiceMailWorker does InvoiceMailArgs. To be registered with River.
type InvoiceMailWorker struct {
	river.WorkerDefaults[InvoiceMailArgs]
	Mails *BillMails
}

// Work writes the mail.
func (w *InvoiceMailWorker) Work(ctx context.Context, job *river.Job[InvoiceMailArgs]) error {
	return w.Mails.Invoice(ctx, job.Args)
}
