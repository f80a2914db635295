package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

const (
	// The row is locked until the transaction ends: a number that is taken and given back leaves no gap, and the next one waits.
	// The year is that of the invoice's date as the operator reads it.
	nextInvoiceNumber = `
with series as (select to_char($1::timestamptz at time zone 'Europe/Berlin', 'YYYY') as name)
insert into invoice_numbers (series, last) select name, 1 from series
on conflict (series) do update set last = invoice_numbers.last + 1
returning series || '-' || case when last < 1000000 then lpad(last::text, 6, '0') else last::text end`
	whoPays = `
select s.account_id::text, a.email, a.language, b.seller, b.due_days,
	coalesce(p.company, ''), coalesce(p.name, ''), coalesce(p.street, ''), coalesce(p.postcode, ''), coalesce(p.city, ''),
	coalesce(p.country, 'DE'), coalesce(p.vat_id, '')
from subscriptions s join accounts a on a.id = s.account_id cross join billing_settings b
	left join billing_profiles p on p.account_id = s.account_id
where s.tenant_id = $1`
	whoIsTaxed = `
select b.seller, coalesce(p.country, 'DE'), coalesce(p.vat_id, '')
from billing_settings b left join billing_profiles p on p.account_id::text = $1`
	insertInvoice = `
insert into invoices (kind, number, provider, account_id, tenant_id, status, language, currency, net_cents, vat_cents, gross_cents,
	seller, buyer, vat_note, period_start, period_end, issued_at, due_at, paid_at)
values ($1, $2, 'invoice', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::timestamptz, $17,
	case when $5 = 'paid' then $16::timestamptz end)
returning id::text`
	insertInvoiceLine = `
insert into invoice_lines (invoice_id, position, kind, text, quantity, unit_cents, net_cents, vat_rate, from_at, until_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
)

// VATNote says how bills to an account are taxed, our own and those of a provider outside.
func (s *Store) VATNote(ctx context.Context, account string) (billing.VATNote, error) {
	note, err := vatNote(ctx, s.pool, account)
	if err != nil {
		return "", fmt.Errorf("find how %s is taxed: %w", account, translate(err))
	}
	return note, nil
}

func vatNote(ctx context.Context, q reader, account string) (billing.VATNote, error) {
	var seller, buyer billing.Party
	if err := q.QueryRow(ctx, whoIsTaxed, account).Scan(&seller, &buyer.Country, &buyer.VATID); err != nil {
		return "", err
	}
	return billing.Treatment(seller, buyer), nil
}

// issueInvoice writes a bill down as an invoice of our own with the next number, to be paid within the days there are, and has it
// sent with the mail for its occasion. The subscription's row must be there. Tax is taken out where the buyer owes it, or nobody
// does; a bill over nothing, or that gives back, awaits no money.
func (s *Store) issueInvoice(ctx context.Context, tx pgx.Tx, n newInvoice) (invoiceID string, err error) {
	id, bill, now := n.tenant, n.bill, n.now
	var (
		account, email, language string
		seller, buyer            billing.Party
		days                     int
	)
	err = tx.QueryRow(ctx, whoPays, id).Scan(&account, &email, &language, &seller, &days,
		&buyer.Company, &buyer.Name, &buyer.Street, &buyer.Postcode, &buyer.City, &buyer.Country, &buyer.VATID)
	if err != nil {
		return "", fmt.Errorf("find who pays for %s: %w", id, err)
	}
	buyer.Email = email
	note := billing.Treatment(seller, buyer)
	bill = bill.Under(note)
	kind, status := billing.KindInvoice, billing.InvoiceOpen
	if bill.Gross.Cents <= 0 {
		status = billing.InvoicePaid
	}
	if bill.Gross.Cents < 0 {
		kind = billing.KindCreditNote
	}
	var number string
	if err := tx.QueryRow(ctx, nextInvoiceNumber, now).Scan(&number); err != nil {
		return "", fmt.Errorf("take an invoice number: %w", err)
	}
	err = tx.QueryRow(ctx, insertInvoice, kind, number, account, id, status, language, bill.Net.Currency, bill.Net.Cents, bill.VAT.Cents,
		bill.Gross.Cents, seller, buyer, note, moment(n.from), moment(n.until), now, billing.DueBy(now, days)).Scan(&invoiceID)
	if err != nil {
		return "", fmt.Errorf("issue an invoice for %s: %w", id, err)
	}
	if err := insertLines(ctx, tx, invoiceID, bill.Lines); err != nil {
		return "", fmt.Errorf("write the lines of invoice %s: %w", number, err)
	}
	err = s.audit(ctx, tx, controlplane.Hafen, "invoice.issue", id, map[string]any{
		"invoice": number, "gross_cents": bill.Gross.Cents, "currency": bill.Gross.Currency, "note": note,
	})
	if err != nil {
		return "", err
	}
	return invoiceID, s.enqueue(ctx, tx, controlplane.InvoiceMailArgs{Invoice: invoiceID, Which: n.mail}, nil)
}

// newInvoice is a bill to be written down.
type newInvoice struct {
	tenant           tenant.ID
	bill             billing.Bill
	from, until, now time.Time // of supply; of issue
	mail             controlplane.InvoiceMail
}

func insertLines(ctx context.Context, tx pgx.Tx, invoice string, lines []billing.Line) error {
	for i, l := range lines {
		if _, err := tx.Exec(ctx, insertInvoiceLine, invoice, i+1, l.Kind, l.Text, l.Quantity, l.Unit.Cents, l.Net.Cents, l.VATRate,
			moment(l.From), moment(l.Until)); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return nil
}

// moment is a time as a column keeps it: null for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// fromMoment is what a column keeps as a time: zero for null.
func fromMoment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
