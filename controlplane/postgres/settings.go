package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

// readSettings reads a tenant's settings as they hold on a plan. What the row does not mention is the plan's default, so a
// setting that is added later needs no change of rows.
func readSettings(document []byte, q tenant.Quota) (tenant.Settings, error) {
	s := tenant.DefaultSettings(q)
	if err := json.Unmarshal(document, &s); err != nil {
		return s, fmt.Errorf("read the settings: %w", err)
	}
	return s.Within(q), nil
}

const (
	lockSettings = `
select t.status, t.settings, t.language, ` + planColumns + ` from tenants t join plans p on p.id = t.plan_id where t.id = $1 for update of t`
	// A server that has never had its settings recorded as proven has just been found active with the old ones.
	changeSettings = `update tenants set settings = $2, proven_settings = coalesce(proven_settings, settings), language = $3 where id = $1`
	setSettings    = `update tenants set settings = $2 where id = $1`
	// Of the change it supersedes it takes over what is not proven yet: if the server does not come up, that may be why.
	insertChange = `
with superseded as (
	update settings_changes set finished_at = now(), outcome = 'superseded' where tenant_id = $1 and finished_at is null
	returning before, restart)
insert into settings_changes (tenant_id, actor, before, after, restart, wanted)
select id, $2, coalesce((select before from superseded where restart limit 1), $3), $4, $5 or exists (select from superseded where restart), wanted
from tenants where id = $1`
)

// ChangeSettings records settings for the reconcile loop.
func (s *Store) ChangeSettings(ctx context.Context, c controlplane.NewSettings) error {
	before, err := json.Marshal(settingsRecord{c.Before, c.LanguageBefore})
	if err != nil {
		return fmt.Errorf("change settings of %s: %w", c.Tenant, err)
	}
	after, err := json.Marshal(settingsRecord{c.After, c.Language})
	if err != nil {
		return fmt.Errorf("change settings of %s: %w", c.Tenant, err)
	}
	return s.inTx(ctx, "change settings", func(tx pgx.Tx) error {
		if err := s.lockSettings(ctx, tx, c); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, changeSettings, c.Tenant, c.Wanted, c.Language); err != nil {
			return err
		}
		if err := s.wake(ctx, tx, c.Tenant); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertChange, c.Tenant, c.Actor.Email, before, after, c.Restart); err != nil {
			return err
		}
		return s.audit(ctx, tx, c.Actor, "server.settings", c.Tenant, map[string]any{
			"changed": changed(before, after), "before": json.RawMessage(before), "after": json.RawMessage(after),
		})
	})
}

// lockSettings refuses a change of what is not there (any more).
func (s *Store) lockSettings(ctx context.Context, tx pgx.Tx, c controlplane.NewSettings) error {
	var (
		status   tenant.Status
		document []byte
		language string
		plan     tenant.Plan
	)
	if err := tx.QueryRow(ctx, lockSettings, c.Tenant).Scan(append([]any{&status, &document, &language}, planFields(&plan)...)...); err != nil {
		return err
	}
	if status != tenant.Active {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "status.not_active"}
	}
	now, err := readSettings(document, plan.Quota)
	if err != nil {
		return err
	}
	if c.Seen != "" && c.Seen != controlplane.SettingsSeen(now, language) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "settings.changed"}
	}
	return nil
}

// settingsRecord is what the history keeps of settings.
type settingsRecord struct {
	tenant.Settings
	Language string `json:"language"`
}

// changed names the settings in which two documents differ.
func changed(before, after []byte) []string {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(before, &a) != nil || json.Unmarshal(after, &b) != nil {
		return nil // both come from columns that take JSON only
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if !bytes.Equal(canonical(a[name]), canonical(b[name])) {
			names = append(names, name)
		}
	}
	return names
}

// canonical writes a JSON value in one form: jsonb puts blanks and an order of its own.
func canonical(raw json.RawMessage) []byte {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

const (
	proveSettings = `update tenants set proven_settings = settings where id = $1 and proven_settings is distinct from settings`
	applyChange   = `update settings_changes set finished_at = now(), outcome = 'applied' where tenant_id = $1 and finished_at is null`
	// From the removal of the old container until one answered again, with the new settings or, rolled back, the old ones.
	measureAway = `
update settings_changes c set away_ms =
	(select extract(epoch from max(s.finished_at) filter (where s.step = 'await_healthy' and s.code = '')
		- min(s.started_at) filter (where s.step = 'remove_container')) * 1000
	from steps s where s.tenant_id = c.tenant_id and s.wanted >= c.wanted)
where c.tenant_id = $1 and c.restart and c.away_ms is null and c.outcome in ('applied', 'rolled_back')
	and c.created_at > now() - interval '1 hour'`
	// What no homeserver reads stays as it is now. $3 names it.
	findRollback = `
select t.proven_settings - $3::text[] || coalesce((select jsonb_object_agg(key, value) from jsonb_each(t.settings) where key = any($3)), '{}')
from tenants t
where t.id = $1 and t.wanted = $2 and t.status = 'active' and t.proven_settings - $3::text[] <> t.settings - $3::text[]
	and exists (select from settings_changes c where c.tenant_id = t.id and c.finished_at is null and c.restart)`
	rollBackChange = `
update settings_changes set finished_at = now(), outcome = 'rolled_back' where tenant_id = $1 and finished_at is null`
)

// proveSettings records that the server is healthy with its settings, and that the change to them is done.
func (s *Store) proveSettings(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	for _, statement := range []string{proveSettings, applyChange, measureAway} {
		if _, err := tx.Exec(ctx, statement, id); err != nil {
			return err
		}
	}
	return nil
}

// rollBack returns to the settings the server was last healthy with, as far as it reads them, when it is a change of them that
// is failing. It tells whether it did.
func (s *Store) rollBack(ctx context.Context, tx pgx.Tx, claim controlplane.Claim, f *tenant.Failure) (bool, error) {
	id := claim.Spec.ID
	var proven []byte
	err := tx.QueryRow(ctx, findRollback, id, claim.Wanted, tenant.LiveSettings).Scan(&proven)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, setSettings, id, proven); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, rollBackChange, id); err != nil {
		return false, err
	}
	if err := s.wake(ctx, tx, id); err != nil {
		return false, err
	}
	if err := s.audit(ctx, tx, controlplane.Hafen, "server.settings.rolled_back", id, map[string]any{"code": f.Code}); err != nil {
		return false, err
	}
	return true, s.tell(ctx, tx, id, controlplane.MailSettingsRolledBack)
}

const listChanges = `
select actor, before, after, restart, created_at, finished_at, away_ms, outcome
from settings_changes where tenant_id = $1 order by id desc limit $2`

// ListSettingsChanges lists the latest changes, newest first.
func (s *Store) ListSettingsChanges(ctx context.Context, id tenant.ID, most int) ([]controlplane.SettingsChange, error) {
	rows, err := s.pool.Query(ctx, listChanges, id, most)
	if err != nil {
		return nil, fmt.Errorf("list settings changes of %s: %w", id, translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (c controlplane.SettingsChange, err error) {
		var (
			before, after []byte
			away          *int64
		)
		err = row.Scan(&c.Actor, &before, &after, &c.Restart, &c.CreatedAt, &c.FinishedAt, &away, &c.Outcome)
		c.Changed = changed(before, after)
		if c.Outcome == "rolled_back" {
			c.Changed = slices.DeleteFunc(c.Changed, stays)
		}
		if away != nil {
			d := time.Duration(*away) * time.Millisecond
			c.Away = &d
		}
		return c, err
	}, "list settings changes")
}

// stays reports whether a setting outlasts a rollback.
func stays(name string) bool { return name == "language" || slices.Contains(tenant.LiveSettings, name) }

const (
	setLogo  = `update tenants set logo = nullif($2::bytea, ''), logo_type = $3 where id = $1`
	findLogo = `select coalesce(logo, ''), logo_type from tenants where id = $1 and status <> 'deleted'`
)

// SetLogo sets or removes a tenant's picture.
func (s *Store) SetLogo(ctx context.Context, actor controlplane.Actor, id tenant.ID, logo controlplane.Logo) error {
	return s.inTx(ctx, "set logo", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, setLogo, id, logo.Image, logo.Type); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "server.logo", id, map[string]any{"bytes": len(logo.Image)})
	})
}

// FindLogo gives the zero Logo when there is none.
func (s *Store) FindLogo(ctx context.Context, id tenant.ID) (logo controlplane.Logo, err error) {
	err = s.pool.QueryRow(ctx, findLogo, id).Scan(&logo.Image, &logo.Type)
	if errors.Is(err, pgx.ErrNoRows) {
		return controlplane.Logo{}, nil
	}
	if err != nil {
		return logo, fmt.Errorf("find logo of %s: %w", id, translate(err))
	}
	return logo, nil
}
