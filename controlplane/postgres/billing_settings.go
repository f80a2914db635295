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
	findProfile = `
select a.email, coalesce(p.company, ''), coalesce(p.name, ''), coalesce(p.street, ''), coalesce(p.postcode, ''), coalesce(p.city, ''),
	coalesce(p.country, 'DE'), coalesce(p.vat_id, '')
from accounts a left join billing_profiles p on p.account_id = a.id where a.id = $1`
	knownOutside = `select stripe_customer is not null from billing_profiles where account_id = $1`
	storeProfile = `
insert into billing_profiles (account_id, company, name, street, postcode, city, country, vat_id) values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (account_id) do update set company = $2, name = $3, street = $4, postcode = $5, city = $6, country = $7, vat_id = $8, changed_at = now()`
)

// FindProfile says who pays for an account's servers.
func (s *Store) FindProfile(ctx context.Context, account string) (p billing.Party, err error) {
	err = s.pool.QueryRow(ctx, findProfile, account).Scan(&p.Email, &p.Company, &p.Name, &p.Street, &p.Postcode, &p.City, &p.Country, &p.VATID)
	if err != nil {
		return p, fmt.Errorf("find who pays: %w", translate(err))
	}
	return p, nil
}

// StoreProfile changes who pays.
func (s *Store) StoreProfile(ctx context.Context, actor controlplane.Actor, p billing.Party) error {
	before, err := s.FindProfile(ctx, actor.Account)
	if err != nil {
		return err
	}
	return s.inTx(ctx, "change who pays", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, storeProfile, actor.Account, p.Company, p.Name, p.Street, p.Postcode, p.City, p.Country, p.VATID); err != nil {
			return err
		}
		var outside bool
		if err := tx.QueryRow(ctx, knownOutside, actor.Account).Scan(&outside); err != nil {
			return err
		}
		if outside {
			if err := s.enqueue(ctx, tx, controlplane.BillingPayerArgs{Account: actor.Account}, nil); err != nil {
				return err
			}
		}
		before.Email, p.Email = "", ""
		return s.audit(ctx, tx, actor, "billing.profile", "", map[string]any{"before": before, "after": p})
	})
}

const (
	findBillingSettings  = `select seller, due_days, remind_days, restrict_days, suspend_days, announce_days, delete_days from billing_settings`
	storeBillingSettings = `
update billing_settings set seller = $1, due_days = $2, remind_days = $3, restrict_days = $4, suspend_days = $5, announce_days = $6, delete_days = $7`
	listPayers = `select account_id::text from billing_profiles where stripe_customer is not null order by 1`
	seedSeller = `update billing_settings set seller = $1 where seller = '{}'`
)

// FindBillingSettings says who sells, and how patient they are.
func (s *Store) FindBillingSettings(ctx context.Context) (b controlplane.BillingSettings, err error) {
	err = s.pool.QueryRow(ctx, findBillingSettings).Scan(&b.Seller, &b.DueDays, &b.Remind, &b.Restrict, &b.Suspend, &b.Announce, &b.Delete)
	if err != nil {
		return b, fmt.Errorf("find the billing settings: %w", translate(err))
	}
	return b, nil
}

// StoreBillingSettings changes them. When the seller is taxed otherwise from now on, a provider outside is told so of every customer.
func (s *Store) StoreBillingSettings(ctx context.Context, actor controlplane.Actor, b controlplane.BillingSettings) error {
	before, err := s.FindBillingSettings(ctx)
	if err != nil {
		return err
	}
	return s.inTx(ctx, "change the billing settings", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, storeBillingSettings, b.Seller, b.DueDays, b.Remind, b.Restrict, b.Suspend, b.Announce, b.Delete); err != nil {
			return err
		}
		if b.Seller.SmallBusiness != before.Seller.SmallBusiness || b.Seller.Country != before.Seller.Country {
			if err := s.tellPayers(ctx, tx); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, actor, "billing.settings", "", map[string]any{"before": before, "after": b})
	})
}

func (s *Store) tellPayers(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, listPayers)
	if err != nil {
		return err
	}
	accounts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, account := range accounts {
		if err := s.enqueue(ctx, tx, controlplane.BillingPayerArgs{Account: account}, nil); err != nil {
			return err
		}
	}
	return nil
}

// SeedSeller writes down who sells when nobody has yet: what the command line says of it, until an operator says more.
func (s *Store) SeedSeller(ctx context.Context, p billing.Party) error {
	if _, err := s.pool.Exec(ctx, seedSeller, p); err != nil {
		return fmt.Errorf("write down who sells: %w", translate(err))
	}
	return nil
}

const (
	// The servers first, as everywhere, and in one order: two who pause the same customer must not wait for each other.
	lockPayers = `
select t.id from tenants t join subscriptions s on s.tenant_id = t.id
where s.account_id = (select account_id from subscriptions where tenant_id = $1) order by t.id for update of t`
	pauseDunning = `
update subscriptions set paused_until = $2, pause_note = $3
where account_id = (select account_id from subscriptions where tenant_id = $1) returning tenant_id`
	findPause = `select paused_until, pause_note from subscriptions where tenant_id = $1 for update`
)

// PauseDunning makes dunning wait for all servers of a server's customer, and takes effect at once.
func (s *Store) PauseDunning(ctx context.Context, actor controlplane.Actor, id tenant.ID, until time.Time, note string, now time.Time) error {
	return s.inTx(ctx, "pause dunning", func(tx pgx.Tx) error {
		var (
			before     *time.Time
			beforeNote string
		)
		if _, err := tx.Exec(ctx, lockPayers, id); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, findPause, id).Scan(&before, &beforeNote)
		if errors.Is(err, pgx.ErrNoRows) {
			return &tenant.Fault{Kind: tenant.NotFound, Code: "dunning.none"}
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, pauseDunning, id, moment(until), note)
		if err != nil {
			return err
		}
		servers, err := pgx.CollectRows(rows, pgx.RowTo[tenant.ID])
		if err != nil {
			return err
		}
		err = s.audit(ctx, tx, actor, "dunning.pause", id, map[string]any{
			"before": before, "after": moment(until), "note": note, "servers": len(servers),
		})
		if err != nil {
			return err
		}
		for _, server := range servers {
			if err := s.dun(ctx, tx, server, now); err != nil {
				return err
			}
		}
		return nil
	})
}
