package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const addonColumns = `d.id, d.slug, d.version, d.kind, d.amount, d.name, d.name_de, d.price_cents, d.currency, d.vat_rate, d.plans, d.most,
	d.position, d.visible`

func addonFields(a *tenant.Addon) []any {
	return []any{
		&a.ID, &a.Slug, &a.Version, &a.Kind, &a.Amount, &a.Name.EN, &a.Name.DE, &a.Price.Cents, &a.Price.Currency, &a.VATRate, &a.Plans, &a.Most,
		&a.Position, &a.Visible,
	}
}

const listAddonVersions = `
select ` + addonColumns + `, d.created_at, d.created_by,
	(select count(*) from tenant_addons x join tenants t on t.id = x.tenant_id where x.addon_id = d.id and x.quantity > 0 and t.status <> 'deleted')
from addons d order by d.slug, d.version desc`

// ListAddonVersions lists all versions of all add-ons, the newest first.
func (s *Store) ListAddonVersions(ctx context.Context) ([]controlplane.AddonVersion, error) {
	rows, err := s.pool.Query(ctx, listAddonVersions)
	if err != nil {
		return nil, fmt.Errorf("list versions of add-ons: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (v controlplane.AddonVersion, err error) {
		err = row.Scan(append(addonFields(&v.Addon), &v.CreatedAt, &v.CreatedBy, &v.Servers)...)
		return v, err
	}, "list versions of add-ons")
}

const (
	newestAddon = `select coalesce(max(version), 0) from addons where slug = $1`
	insertAddon = `
insert into addons (id, slug, version, kind, amount, name, name_de, price_cents, currency, vat_rate, plans, most, position, visible, created_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($11::text[], '{}'), $12, $13, $14, $15)`
)

func (s *Store) insertAddon(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, d controlplane.AddonDraft) error {
	a := d.Addon
	var last int
	if err := tx.QueryRow(ctx, newestAddon, a.Slug).Scan(&last); err != nil {
		return err
	}
	if last != d.After {
		return catalogueChanged()
	}
	a.Version = last + 1
	a.ID = tenant.AddonID(versionID(a.Slug, a.Version))
	_, err := tx.Exec(ctx, insertAddon, a.ID, a.Slug, a.Version, a.Kind, a.Amount, a.Name.EN, a.Name.DE, a.Price.Cents, a.Price.Currency, a.VATRate,
		a.Plans, a.Most, a.Position, a.Visible, actor.Email)
	if err != nil {
		return fmt.Errorf("insert add-on %s: %w", a.ID, err)
	}
	action := "addon.change"
	if d.After == 0 {
		action = "addon.create"
	}
	return s.audit(ctx, tx, actor, action, "", changesDetail(string(a.ID), d.Changes))
}
