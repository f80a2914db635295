package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

const (
	// The server first, as everywhere: dunning holds it while it writes on bills.
	lockBilled  = `select from tenants where id = (select tenant_id from invoices where id = $1) for update`
	lockInvoice = `
select i.id::text, i.kind, i.number, i.provider, i.tenant_id, i.status, i.currency, i.gross_cents, i.paid_cents, i.dispute_status
from invoices i where i.id = $1 for update`
	insertPayment = `
insert into invoice_payments (invoice_id, amount_cents, paid_on, note, booked_by, booked_at)
values ($1, $2, ($3::timestamptz at time zone 'Europe/Berlin')::date, $4, $5, $6)`
	addPaid = `
update invoices set paid_cents = paid_cents + $2, status = case when paid_cents + $2 >= gross_cents then 'paid' else status end,
	paid_at = case when paid_cents + $2 >= gross_cents then $3::timestamptz end
where id = $1 returning number, paid_cents`
)

// lockInvoice finds an invoice of our own that can still be acted on, and keeps others from it and its server until the transaction
// ends.
func (s *Store) lockInvoice(ctx context.Context, tx pgx.Tx, id string) (d billing.Document, err error) {
	if !isUUID(id) {
		return d, unknownInvoice()
	}
	if _, err := tx.Exec(ctx, lockBilled, id); err != nil {
		return d, err
	}
	err = tx.QueryRow(ctx, lockInvoice, id).Scan(&d.ID, &d.Kind, &d.Number, &d.Provider, &d.Tenant, &d.Status, &d.Gross.Currency, &d.Gross.Cents, &d.Paid.Cents, &d.Dispute.Status)
	d.Paid.Currency = d.Gross.Currency
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return d, unknownInvoice()
	case err != nil:
		return d, err
	case d.Provider != ours && !d.Dispute.Lost() || d.Kind != billing.KindInvoice:
		return d, &tenant.Fault{Kind: tenant.Conflict, Code: "invoice.closed"}
	}
	return d, nil
}

// BookPayment notes money for an invoice.
func (s *Store) BookPayment(ctx context.Context, actor controlplane.Actor, p controlplane.Payment, now time.Time) error {
	return s.inTx(ctx, "book a payment", func(tx pgx.Tx) error {
		return s.bookPayment(ctx, tx, actor, p, now)
	})
}

// bookPayment is BookPayment within a transaction.
func (s *Store) bookPayment(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, p controlplane.Payment, now time.Time) error {
	d, err := s.lockInvoice(ctx, tx, p.Invoice)
	if err != nil {
		return err
	}
	left := d.Gross.Plus(d.Paid.Negative())
	switch {
	case d.Status != billing.InvoiceOpen:
		return &tenant.Fault{Kind: tenant.Conflict, Code: "invoice.closed"}
	case p.Amount.Currency != d.Gross.Currency:
		return fmt.Errorf("book %s for an invoice in %s", p.Amount.Currency, d.Gross.Currency)
	case p.Amount.Cents > left.Cents:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "payment.too_much", Field: "amount"}
	}
	if err := s.enterPayment(ctx, tx, actor, entry{Payment: p, tenant: d.Tenant, gross: d.Gross}); err != nil {
		return err
	}
	if p.Amount.Cents < left.Cents {
		return nil
	}
	if err := s.enqueue(ctx, tx, controlplane.InvoiceMailArgs{Invoice: d.ID, Which: controlplane.MailInvoicePaid}, nil); err != nil {
		return err
	}
	return s.dun(ctx, tx, d.Tenant, now)
}

// entry is a payment as the books take it: for an invoice whose row this transaction holds, and no more than is open.
type entry struct {
	controlplane.Payment
	tenant tenant.ID
	gross  tenant.Money
}

// enterPayment writes a payment down, the sum beside its invoice, and the audit entry.
func (s *Store) enterPayment(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, e entry) error {
	if _, err := tx.Exec(ctx, insertPayment, e.Invoice, e.Amount.Cents, e.On, e.Note, e.BookedBy, e.BookedAt); err != nil {
		return err
	}
	var (
		number string
		after  int64
	)
	if err := tx.QueryRow(ctx, addPaid, e.Invoice, e.Amount.Cents, e.On).Scan(&number, &after); err != nil {
		return err
	}
	return s.audit(ctx, tx, actor, "invoice.pay", e.tenant, map[string]any{
		"invoice": number, "before": after - e.Amount.Cents, "after": after, "gross_cents": e.gross.Cents, "currency": e.gross.Currency, "note": e.Note,
	})
}

const (
	setVoid        = `update invoices set status = 'void' where id = $1`
	insertReversal = `
insert into invoices (kind, number, provider, account_id, tenant_id, corrects, status, language, currency, net_cents, vat_cents, gross_cents,
	seller, buyer, vat_note, period_start, period_end, issued_at, due_at, paid_at)
select 'credit_note', $2, provider, account_id, tenant_id, id, 'paid', language, currency, -net_cents, -vat_cents, -gross_cents,
	seller, buyer, vat_note, period_start, period_end, $3, $3, $3
from invoices where id = $1 returning id::text`
	insertReversedLines = `
insert into invoice_lines (invoice_id, position, kind, text, quantity, unit_cents, net_cents, vat_rate, from_at, until_at)
select $2, position, kind, text, quantity, -unit_cents, -net_cents, vat_rate, from_at, until_at from invoice_lines where invoice_id = $1`
)

// VoidInvoice takes an invoice back with a credit note.
func (s *Store) VoidInvoice(ctx context.Context, actor controlplane.Actor, id, reason string, now time.Time) (note string, err error) {
	err = s.inTx(ctx, "take an invoice back", func(tx pgx.Tx) error {
		d, err := s.lockInvoice(ctx, tx, id)
		if err != nil {
			return err
		}
		if d.Status == billing.InvoiceVoid || d.Provider != ours {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "invoice.closed"}
		}
		if _, err := tx.Exec(ctx, setVoid, d.ID); err != nil {
			return err
		}
		var number string
		if err := tx.QueryRow(ctx, nextInvoiceNumber, now).Scan(&number); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, insertReversal, d.ID, number, now).Scan(&note); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertReversedLines, d.ID, note); err != nil {
			return err
		}
		err = s.audit(ctx, tx, actor, "invoice.void", d.Tenant, map[string]any{
			"invoice": d.Number, "credit_note": number, "gross_cents": d.Gross.Cents, "before": d.Status, "after": billing.InvoiceVoid, "note": reason,
		})
		if err != nil {
			return err
		}
		if err := s.enqueue(ctx, tx, controlplane.InvoiceMailArgs{Invoice: note, Which: controlplane.MailInvoiceVoid}, nil); err != nil {
			return err
		}
		return s.dun(ctx, tx, d.Tenant, now)
	})
	return note, err
}
