package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

// IssueInvoice is issueInvoice in a transaction of its own, which before may end with an error after the invoice was written.
func (s *Store) IssueInvoice(ctx context.Context, id tenant.ID, bill billing.Bill, from, until, now time.Time, before func() error) (invoice string, err error) {
	err = s.inTx(ctx, "issue an invoice", func(tx pgx.Tx) error {
		if invoice, err = s.issueInvoice(ctx, tx, newInvoice{id, bill, from, until, now, controlplane.MailInvoiceIssued}); err != nil {
			return err
		}
		return before()
	})
	return invoice, err
}
