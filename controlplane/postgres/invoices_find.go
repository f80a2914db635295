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

var (
	_ controlplane.InvoiceStore     = (*Store)(nil)
	_ controlplane.BookkeepingStore = (*Store)(nil)
	_ controlplane.DunningStore     = (*Store)(nil)
	_ controlplane.BillMailStore    = (*Store)(nil)
)

const (
	invoiceColumns = `
	i.id::text, i.kind, i.number, i.provider, coalesce(i.external_id, ''), i.account_id::text, i.tenant_id, t.server_name, i.status, i.language,
	i.currency, i.net_cents, i.vat_cents, i.gross_cents, i.paid_cents, i.seller, i.buyer, i.vat_note, i.period_start, i.period_end,
	i.issued_at, i.due_at, i.paid_at, i.url, coalesce(c.number, ''), c.issued_at, coalesce(n.number, ''),
	i.dispute_status, i.dispute_reason, i.dispute_cents, i.respond_by`
	invoiceTables = `
from invoices i join tenants t on t.id = i.tenant_id left join invoices c on c.id = i.corrects left join invoices n on n.corrects = i.id `
	findInvoice  = `select ` + invoiceColumns + invoiceTables + ` where i.id = $1`
	invoiceWhere = `
where ($1 = '' or i.account_id = nullif($1, '')::uuid) and ($2 = '' or i.tenant_id = $2)
	and case $3 when '' then true when 'disputed' then i.dispute_status not in ('', 'won', 'lost', 'warning_closed') when 'overdue' then i.status = 'open' and i.due_at < $4 else i.status = $3 end
	and ($5 = '' or strpos(lower(concat_ws(' ', i.number, t.server_name, i.buyer ->> 'company', i.buyer ->> 'name', i.buyer ->> 'email')), lower($5)) > 0)
	and ($6::timestamptz is null or i.issued_at >= $6) and ($7::timestamptz is null or i.issued_at < $7) `
	listInvoices  = `select ` + invoiceColumns + invoiceTables + invoiceWhere + ` order by i.issued_at desc, i.number desc limit $8 offset $9`
	countInvoices = `select count(*)` + invoiceTables + invoiceWhere
	listLines     = `
select invoice_id::text, kind, text, quantity, unit_cents, net_cents, vat_rate, from_at, until_at from invoice_lines
where invoice_id = any($1::uuid[]) order by invoice_id, position`
)

func scanInvoice(row pgx.CollectableRow) (billing.Document, error) {
	var (
		d                            billing.Document
		start, end, paid, correction *time.Time
		respond                      *time.Time
	)
	err := row.Scan(&d.ID, &d.Kind, &d.Number, &d.Provider, &d.External, &d.Account, &d.Tenant, &d.ServerName, &d.Status, &d.Language,
		&d.Net.Currency, &d.Net.Cents, &d.VAT.Cents, &d.Gross.Cents, &d.Paid.Cents, &d.Seller, &d.Buyer, &d.Note, &start, &end,
		&d.Issued, &d.Due, &paid, &d.URL, &d.Corrects, &correction, &d.CorrectedBy,
		&d.Dispute.Status, &d.Dispute.Reason, &d.Dispute.Amount.Cents, &respond)
	d.Dispute.Amount.Currency, d.Dispute.RespondBy = d.Net.Currency, fromMoment(respond)
	d.VAT.Currency, d.Gross.Currency, d.Paid.Currency = d.Net.Currency, d.Net.Currency, d.Net.Currency
	d.Start, d.End, d.PaidAt, d.CorrectsIssued = fromMoment(start), fromMoment(end), fromMoment(paid), fromMoment(correction)
	return d, err
}

// FindInvoice gives a whole invoice.
func (s *Store) FindInvoice(ctx context.Context, id string) (billing.Document, error) {
	if !isUUID(id) {
		return billing.Document{}, unknownInvoice()
	}
	rows, err := s.pool.Query(ctx, findInvoice, id)
	if err != nil {
		return billing.Document{}, fmt.Errorf("find invoice: %w", translate(err))
	}
	d, err := pgx.CollectExactlyOneRow(rows, scanInvoice)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, unknownInvoice()
	}
	if err != nil {
		return d, fmt.Errorf("find invoice: %w", translate(err))
	}
	one := []billing.Document{d}
	err = s.addLines(ctx, one)
	return one[0], err
}

// ListInvoices lists invoices, newest first.
func (s *Store) ListInvoices(ctx context.Context, f controlplane.InvoiceFilter) (controlplane.InvoicePage, error) {
	where := []any{f.Account, string(f.Tenant), f.State, f.Now, f.Search, moment(f.From), moment(f.Until)}
	most, offset := controlplane.MostInvoices, 0
	if f.Page > 0 {
		most, offset = controlplane.InvoicesPerPage, (min(f.Page, controlplane.MostInvoices)-1)*controlplane.InvoicesPerPage
	}
	var page controlplane.InvoicePage
	rows, err := s.pool.Query(ctx, listInvoices, append(where, most, offset)...)
	if err != nil {
		return page, fmt.Errorf("list invoices: %w", translate(err))
	}
	if page.Invoices, err = collect(rows, scanInvoice, "list invoices"); err != nil {
		return page, err
	}
	if page.Total = len(page.Invoices); f.Page > 0 {
		if err := s.pool.QueryRow(ctx, countInvoices, where...).Scan(&page.Total); err != nil {
			return page, fmt.Errorf("count invoices: %w", translate(err))
		}
	}
	return page, s.addLines(ctx, page.Invoices)
}

func (s *Store) addLines(ctx context.Context, invoices []billing.Document) error {
	at := make(map[string]int, len(invoices))
	ids := make([]string, len(invoices))
	for i, d := range invoices {
		at[d.ID], ids[i] = i, d.ID
	}
	rows, err := s.pool.Query(ctx, listLines, ids)
	if err != nil {
		return fmt.Errorf("list lines of invoices: %w", translate(err))
	}
	var (
		invoice     string
		l           billing.Line
		from, until *time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&invoice, &l.Kind, &l.Text, &l.Quantity, &l.Unit.Cents, &l.Net.Cents, &l.VATRate, &from, &until}, func() error {
		d := &invoices[at[invoice]]
		line := l
		line.Unit.Currency, line.Net.Currency = d.Net.Currency, d.Net.Currency
		line.From, line.Until = fromMoment(from), fromMoment(until)
		d.Lines = append(d.Lines, line)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list lines of invoices: %w", translate(err))
	}
	return nil
}

const (
	findInvoiceFile  = `select pdf from invoices where id = $1`
	storeInvoiceFile = `update invoices set pdf = coalesce(pdf, $2) where id = $1 returning pdf`
)

// FindInvoiceFile gives the PDF of an invoice.
func (s *Store) FindInvoiceFile(ctx context.Context, id string) (pdf []byte, err error) {
	if err := s.pool.QueryRow(ctx, findInvoiceFile, id).Scan(&pdf); err != nil {
		return nil, fmt.Errorf("find the file of invoice %s: %w", id, translate(err))
	}
	return pdf, nil
}

// StoreInvoiceFile keeps the PDF of an invoice unless there is one.
func (s *Store) StoreInvoiceFile(ctx context.Context, id string, pdf []byte) (kept []byte, err error) {
	if err := s.pool.QueryRow(ctx, storeInvoiceFile, id, pdf).Scan(&kept); err != nil {
		return nil, fmt.Errorf("keep the file of invoice %s: %w", id, translate(err))
	}
	return kept, nil
}

const listPayments = `
select p.invoice_id::text, p.amount_cents, i.currency, p.paid_on, p.note, p.booked_by, p.booked_at
from invoice_payments p join invoices i on i.id = p.invoice_id where p.invoice_id = $1 order by p.booked_at, p.id`

// ListPayments lists the money that came for an invoice.
func (s *Store) ListPayments(ctx context.Context, invoice string) ([]controlplane.Payment, error) {
	rows, err := s.pool.Query(ctx, listPayments, invoice)
	if err != nil {
		return nil, fmt.Errorf("list payments: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (p controlplane.Payment, err error) {
		return p, row.Scan(&p.Invoice, &p.Amount.Cents, &p.Amount.Currency, &p.On, &p.Note, &p.BookedBy, &p.BookedAt)
	}, "list payments")
}

func unknownInvoice() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "invoice.unknown"} }
