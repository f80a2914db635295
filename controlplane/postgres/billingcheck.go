package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
)

const (
	findPayer = `
select coalesce(b.stripe_customer, ''), a.email, coalesce(nullif(b.company, ''), b.name, ''), a.language,
	coalesce(b.street, ''), coalesce(b.postcode, ''), coalesce(b.city, ''), coalesce(b.country, ''), coalesce(b.vat_id, '')
from accounts a left join billing_profiles b on b.account_id = a.id where a.id::text = $1`
	rememberPayer = `
insert into billing_profiles (account_id, stripe_customer) values ($1, $2)
on conflict (account_id) do update set stripe_customer = excluded.stripe_customer
where billing_profiles.stripe_customer is distinct from excluded.stripe_customer`
)

// FindPayer is an account as a provider outside shall know it.
func (s *Store) FindPayer(ctx context.Context, account string) (p billing.Payer, err error) {
	err = s.pool.QueryRow(ctx, findPayer, account).Scan(&p.Customer, &p.Email, &p.Name, &p.Language, &p.Street, &p.Postcode, &p.City, &p.Country, &p.VATID)
	if err != nil {
		return p, fmt.Errorf("find who pays for account %s: %w", account, translate(err))
	}
	p.VATNote, err = s.VATNote(ctx, account)
	return p, err
}

// RememberPayer keeps a provider's name of an account.
func (s *Store) RememberPayer(ctx context.Context, account, customer string) error {
	if _, err := s.pool.Exec(ctx, rememberPayer, account, customer); err != nil {
		return fmt.Errorf("keep the provider's name of account %s: %w", account, translate(err))
	}
	return nil
}

const (
	claimBillingCheck = `
insert into billing_checks (provider, night, started_at) values ($1, $2, $3)
on conflict (provider, night) do update set started_at = excluded.started_at, error = ''
where billing_checks.finished_at is null and billing_checks.started_at < excluded.started_at - interval '1 hour'`
	// A booked change to a period of another length is told of in its last hour, so until then the next one is as this one.
	listBilled = `
select s.tenant_id, coalesce(s.external_id, ''), s.state, coalesce(s.period_end, to_timestamp(0)), s.cancel_at_end or t.status = 'deleting', t.plan_id,
	(select coalesce(jsonb_object_agg(n.addon_id, n.quantity), '{}') from tenant_addons n where n.tenant_id = s.tenant_id and n.quantity > 0),
	case when b.period <> p.period then t.plan_id else coalesce(s.booked_plan, t.plan_id) end,
	(select coalesce(jsonb_object_agg(n.addon_id, x.quantity), '{}') from tenant_addons n
		cross join lateral (select case when b.period <> p.period then n.quantity else coalesce(n.booked, n.quantity) end as quantity) x
		where n.tenant_id = s.tenant_id and x.quantity > 0),
	s.state = 'ended' or t.status = 'deleted', t.status not in ('awaiting_payment', 'deleting', 'deleted'), t.status = 'deleting',
	s.untold_since is not null
from subscriptions s join tenants t on t.id = s.tenant_id join plans p on p.id = t.plan_id left join plans b on b.id = s.booked_plan
where s.provider = $1`
	// What was booked here of a bill that a bank took back is not the provider's to know.
	listBilledBills = `
select i.external_id, i.number, i.tenant_id, case when i.dispute_status = 'lost' then 'open' else i.status end, i.gross_cents, i.currency,
	i.paid_cents - coalesce((select sum(p.amount_cents) from invoice_payments p where p.invoice_id = i.id), 0)::bigint, i.dispute_status
from invoices i where i.provider = $1 and i.external_id is not null and (i.issued_at >= $2 or i.dispute_status <> '')`
	finishBillingCheck = `
update billing_checks set finished_at = $3, subscriptions = $4, bills = $5, error = $6 where provider = $1 and night = $2`
	clearBillingFindings = `delete from billing_findings where provider = $1 and night = $2`
	insertBillingFinding = `
insert into billing_findings (provider, night, kind, tenant_id, external_id, detail, repaired) values ($1, $2, $3, $4, $5, $6, $7)`
	lastBillingCheck = `
select provider, night, started_at, finished_at, subscriptions, bills, error from billing_checks order by night desc, provider limit 1`
	listBillingFindings = `
select kind, tenant_id, external_id, coalesce(detail->>'here', ''), coalesce(detail->>'there', ''), repaired
from billing_findings where provider = $1 and night = $2 order by repaired, id`
)

// ClaimBillingCheck takes a night's check for this process.
func (s *Store) ClaimBillingCheck(ctx context.Context, provider string, night, now time.Time) (bool, error) {
	tag, err := s.pool.Exec(ctx, claimBillingCheck, provider, night, now)
	if err != nil {
		return false, fmt.Errorf("claim the billing check of %s: %w", night.Format(time.DateOnly), translate(err))
	}
	return tag.RowsAffected() == 1, nil
}

// ListBilled lists the subscriptions of a provider outside.
func (s *Store) ListBilled(ctx context.Context, provider string) ([]controlplane.Billed, error) {
	rows, err := s.pool.Query(ctx, listBilled, provider)
	if err != nil {
		return nil, fmt.Errorf("list what %s bills: %w", provider, translate(err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b controlplane.Billed, err error) {
		err = row.Scan(&b.Tenant, &b.ExternalID, &b.State, &b.End, &b.Cancelled, &b.Choice.Plan, &b.Choice.Packs,
			&b.Next.Plan, &b.Next.Packs, &b.Gone, &b.Runs, &b.Leaving, &b.Untold)
		return b, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what %s bills: %w", provider, translate(err))
	}
	return list, nil
}

// ListBilledBills lists the bills of a provider outside since a moment.
func (s *Store) ListBilledBills(ctx context.Context, provider string, since time.Time) (map[string]billing.FoundBill, error) {
	rows, err := s.pool.Query(ctx, listBilledBills, provider, since)
	if err != nil {
		return nil, fmt.Errorf("list the bills of %s: %w", provider, translate(err))
	}
	bills := map[string]billing.FoundBill{}
	var b billing.FoundBill
	_, err = pgx.ForEachRow(rows, []any{&b.External, &b.Number, &b.Tenant, &b.Status, &b.Gross.Cents, &b.Gross.Currency, &b.Paid.Cents, &b.Dispute}, func() error {
		bills[b.External] = b
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the bills of %s: %w", provider, translate(err))
	}
	return bills, nil
}

// FinishBillingCheck records what a check has found.
func (s *Store) FinishBillingCheck(ctx context.Context, r controlplane.BillingReport) error {
	return s.inTx(ctx, "finish the billing check", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, finishBillingCheck, r.Provider, r.Night, r.Finished, r.Subscriptions, r.Bills, r.Error); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, clearBillingFindings, r.Provider, r.Night); err != nil {
			return err
		}
		for _, f := range r.Findings {
			detail := map[string]any{"here": f.Here, "there": f.There}
			if _, err := tx.Exec(ctx, insertBillingFinding, r.Provider, r.Night, f.Kind, f.Tenant, f.ExternalID, detail, f.Repaired); err != nil {
				return err
			}
			action := "billing.check.open"
			if f.Repaired {
				action = "billing.check.repaired"
			}
			if err := s.audit(ctx, tx, controlplane.Hafen, action, f.Tenant, map[string]any{
				"kind": f.Kind, "external": f.ExternalID, "before": f.Here, "after": f.There,
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// LastBillingCheck is the newest check with its findings, those that are open first.
func (s *Store) LastBillingCheck(ctx context.Context) (r controlplane.BillingReport, found bool, err error) {
	var finished *time.Time
	err = s.pool.QueryRow(ctx, lastBillingCheck).Scan(&r.Provider, &r.Night, &r.Started, &finished, &r.Subscriptions, &r.Bills, &r.Error)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("find the last billing check: %w", translate(err))
	}
	r.Finished = utc(finished)
	rows, err := s.pool.Query(ctx, listBillingFindings, r.Provider, r.Night)
	if err != nil {
		return r, false, fmt.Errorf("list what the last billing check found: %w", translate(err))
	}
	r.Findings, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (f controlplane.BillingFinding, err error) {
		err = row.Scan(&f.Kind, &f.Tenant, &f.ExternalID, &f.Here, &f.There, &f.Repaired)
		return f, err
	})
	if err != nil {
		return r, false, fmt.Errorf("list what the last billing check found: %w", translate(err))
	}
	return r, true, nil
}
