package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

const (
	// The row is locked until the transaction ends: a number that is taken and given back leaves no gap, and the next one waits.
	nextInvoiceNumber = `
insert into invoice_numbers (series, last) values ($1, 1) on conflict (series) do update set last = invoice_numbers.last + 1 returning last`
	insertInvoice = `
insert into invoices (kind, number, provider, account_id, tenant_id, status, language, currency, net_cents, vat_cents, gross_cents,
	seller, buyer, period_start, period_end, issued_at, due_at)
select case when $3 < 0 then 'credit_note' else 'invoice' end, $2, 'invoice', s.account_id, s.tenant_id, 'open', a.language, $6, $3, $4, $5,
	b.seller, coalesce(to_jsonb(p) - 'account_id' - 'stripe_customer' - 'changed_at', '{}') || jsonb_build_object('email', a.email),
	$7, $8, $9::timestamptz, $9::timestamptz + make_interval(days => b.due_days)
from subscriptions s join accounts a on a.id = s.account_id cross join billing_settings b
	left join billing_profiles p on p.account_id = s.account_id
where s.tenant_id = $1 returning id::text`
	insertInvoiceLine = `
insert into invoice_lines (invoice_id, position, kind, text, quantity, unit_cents, net_cents, vat_rate, from_at, until_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
)

// issueInvoice writes a bill down as an invoice of our own, to be paid, with the next number. The subscription's row must be there.
func (s *Store) issueInvoice(ctx context.Context, tx pgx.Tx, id tenant.ID, bill billing.Bill, from, until, now time.Time) (invoiceID string, err error) {
	series := strconv.Itoa(now.UTC().Year())
	var last int64
	if err := tx.QueryRow(ctx, nextInvoiceNumber, series).Scan(&last); err != nil {
		return "", fmt.Errorf("take an invoice number: %w", err)
	}
	err = tx.QueryRow(ctx, insertInvoice, id, fmt.Sprintf("%s-%06d", series, last), bill.Net.Cents, bill.VAT.Cents, bill.Gross.Cents,
		bill.Net.Currency, from, until, now).Scan(&invoiceID)
	if err != nil {
		return "", fmt.Errorf("issue an invoice for %s: %w", id, err)
	}
	for i, l := range bill.Lines {
		if _, err := tx.Exec(ctx, insertInvoiceLine, invoiceID, i+1, l.Kind, l.Text, l.Quantity, l.Unit.Cents, l.Net.Cents, l.VATRate,
			utcOrNull(l.From), utcOrNull(l.Until)); err != nil {
			return "", fmt.Errorf("write line %d of an invoice for %s: %w", i+1, id, err)
		}
	}
	return invoiceID, nil
}
