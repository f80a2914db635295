package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const findDomain = `select token, verified_at, checked_at, report from domains where tenant_id = $1`

// FindDomain finds the proof of a tenant's own domain.
func (s *Store) FindDomain(ctx context.Context, id tenant.ID) (v controlplane.DomainView, err error) {
	var report []byte
	err = s.pool.QueryRow(ctx, findDomain, id).Scan(&v.Token, &v.VerifiedAt, &v.CheckedAt, &report)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, &tenant.Fault{Kind: tenant.NotFound, Code: "domain.none"}
	}
	if err == nil {
		err = json.Unmarshal(report, &v.Report)
	}
	if err != nil {
		return v, fmt.Errorf("find domain of %s: %w", id, translate(err))
	}
	return v, nil
}

const requestDomainCheck = `update domains set check_after = now() where tenant_id = $1`

// RequestDomainCheck makes a domain due now.
func (s *Store) RequestDomainCheck(ctx context.Context, id tenant.ID) error {
	if _, err := s.pool.Exec(ctx, requestDomainCheck, id); err != nil {
		return fmt.Errorf("request check of %s: %w", id, translate(err))
	}
	return nil
}

// While a customer sets records up, every two seconds; after the first hour every minute, after a day every quarter of
// an hour. A domain in service is looked at once an hour.
const claimDomains = `
update domains d set check_after = now() + case
	when t.status <> 'awaiting_domain' then interval '1 hour'
	when t.created_at > now() - interval '1 hour' then interval '2 seconds'
	when t.created_at > now() - interval '1 day' then interval '1 minute'
	else interval '15 minutes' end
from tenants t
where t.id = d.tenant_id and d.tenant_id in (
	select dd.tenant_id from domains dd join tenants tt on tt.id = dd.tenant_id
	where dd.check_after <= now() and tt.status in ('awaiting_domain', 'provisioning', 'active', 'asleep')
	order by dd.check_after limit $1 for update of dd skip locked)
returning t.id, t.server_name, t.host, d.token`

// ClaimDomains takes due domains.
func (s *Store) ClaimDomains(ctx context.Context, most int) ([]controlplane.DomainClaim, error) {
	rows, err := s.pool.Query(ctx, claimDomains, most)
	if err != nil {
		return nil, fmt.Errorf("claim domains: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (c controlplane.DomainClaim, err error) {
		err = row.Scan(&c.Tenant, &c.ServerName, &c.Host, &c.Token)
		return c, err
	}, "claim domains")
}

const (
	recordDomain = `
update domains set report = $2, checked_at = now(),
	verified_at = case when $3 then coalesce(verified_at, now()) when $4 then verified_at end
where tenant_id = $1 returning (select status from tenants where id = $1)`
	refuseDomain = `update tenants set failure_code = 'domain_taken' where id = $1`
)

// RecordDomain keeps a report. One that is complete provisions a waiting tenant.
func (s *Store) RecordDomain(ctx context.Context, id tenant.ID, report tenant.DomainReport) error {
	encoded, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode report of %s: %w", id, err)
	}
	// A name server that did not answer has said nothing about the proof.
	silent := slices.ContainsFunc(report.Records, func(r tenant.Record) bool {
		return r.Purpose == tenant.PurposeProof && r.State == tenant.RecordUnreachable
	})
	ready := report.Verified && report.HostReady && report.Issuable
	err = s.inTx(ctx, "record domain", func(tx pgx.Tx) error {
		var status tenant.Status
		err := tx.QueryRow(ctx, recordDomain, id, encoded, report.Verified, silent).Scan(&status)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		code := ""
		if !report.Verified {
			code = "unproven"
		}
		if !silent {
			if _, err := tx.Exec(ctx, recordCondition, id, tenant.DomainVerified, report.Verified, code); err != nil {
				return err
			}
		}
		if status != tenant.AwaitingDomain || !ready {
			return nil
		}
		if _, err := s.move(ctx, tx, controlplane.Transition{Tenant: id, To: tenant.Provisioning}); err != nil {
			return err
		}
		return s.audit(ctx, tx, controlplane.Hafen, "domain.proven", id, nil)
	})
	if fault := tenant.FaultOf(err); err != nil && fault.Code == "domain.taken" {
		// Another customer has proven the same name first. This one learns it from the page; the report itself is lost with
		// the transaction and taken again at the next look.
		if _, err := s.pool.Exec(ctx, refuseDomain, id); err != nil {
			return fmt.Errorf("refuse domain of %s: %w", id, translate(err))
		}
		return nil
	}
	return err
}
