package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const inviteColumns = `
	id::text, tenant_id, email, display_name, case when used_at is null then localpart else used_by end, invited_by,
	created_at, expires_at, used_at, withdrawn_at, expires_at <= now(), coalesce(operation_id::text, '')`

func scanInvite(row pgx.CollectableRow) (i controlplane.Invite, err error) {
	return i, row.Scan(&i.ID, &i.Tenant, &i.Email, &i.DisplayName, &i.Localpart, &i.InvitedBy,
		&i.CreatedAt, &i.ExpiresAt, &i.UsedAt, &i.WithdrawnAt, &i.Expired, &i.Operation)
}

const insertInvite = `
insert into invites (hash, tenant_id, email, display_name, localpart, invited_by, expires_at, made_by)
values ($1, $2, $3, $4, $5, $6, now() + $7::interval, nullif($8, '')::uuid)`

// CreateInvite records an invite and its mail, and takes a seat.
func (s *Store) CreateInvite(ctx context.Context, r controlplane.InviteRequest) error {
	return s.inTx(ctx, "create invite", func(tx pgx.Tx) error {
		if err := mayLink(ctx, tx, r.Actor, r.Tenant); err != nil {
			return err
		}
		free, err := freeSeats(ctx, tx, r.Tenant)
		if err != nil {
			return err
		}
		if free < 1 {
			return &tenant.Fault{Kind: tenant.OverQuota, Code: "seats.full"}
		}
		if _, err := tx.Exec(ctx, insertInvite, r.Link.Hash, r.Tenant, r.Email, r.DisplayName, r.Localpart, r.Actor.Email, r.Link.Lifetime, r.Actor.Account); err != nil {
			return err
		}
		if r.Mail != nil {
			if err := s.queueMail(ctx, tx, *r.Mail); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, r.Actor, "member.invite", r.Tenant, map[string]any{"email": r.Email, "member": r.Localpart})
	})
}

// What has expired stays to be renewed for a month; what was used is a member, and what was withdrawn nobody wants back.
const (
	listedInvites = `
from invites where tenant_id = $1 and used_at is null and withdrawn_at is null and expires_at > now() - interval '30 days'`
	countInvites = `select count(*)` + listedInvites
	listInvites  = `select ` + inviteColumns + listedInvites + ` order by created_at desc, id limit $2 offset $3`
)

// ListInvites gives a page of open and lately expired invites, newest first.
func (s *Store) ListInvites(ctx context.Context, id tenant.ID, page int) (p controlplane.InvitePage, err error) {
	if err := s.pool.QueryRow(ctx, countInvites, id).Scan(&p.Total); err != nil {
		return p, fmt.Errorf("count invites of %s: %w", id, translate(err))
	}
	rows, err := s.pool.Query(ctx, listInvites, id, controlplane.InvitesPerPage, (page-1)*controlplane.InvitesPerPage)
	if err != nil {
		return p, fmt.Errorf("list invites of %s: %w", id, translate(err))
	}
	p.Invites, err = collect(rows, scanInvite, "list invites")
	return p, err
}

const findInviteByID = `select ` + inviteColumns + ` from invites where id = $1 and tenant_id = $2 and used_at is null and withdrawn_at is null`

// FindInviteByID finds an invite that can be renewed.
func (s *Store) FindInviteByID(ctx context.Context, id tenant.ID, invite string) (controlplane.Invite, error) {
	if !isUUID(invite) {
		return controlplane.Invite{}, unknownInvite()
	}
	rows, err := s.pool.Query(ctx, findInviteByID, invite, id)
	if err != nil {
		return controlplane.Invite{}, fmt.Errorf("find invite of %s: %w", id, translate(err))
	}
	i, err := pgx.CollectExactlyOneRow(rows, scanInvite)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, unknownInvite()
	}
	if err != nil {
		return i, fmt.Errorf("find invite of %s: %w", id, translate(err))
	}
	return i, nil
}

const (
	// By the clock and not by the transaction's beginning: it may have expired while this one waited for the tenant's lock, and
	// its seat be somebody else's.
	lockInvite = `
select expires_at <= clock_timestamp() from invites where id = $1 and tenant_id = $2 and used_at is null and withdrawn_at is null for update`
	// Whoever renews holds the link from now on, and nobody else does.
	renewInvite = `update invites set hash = $2, expires_at = now() + $3::interval, made_by = nullif($4, '')::uuid where id = $1`
)

// RenewInvite gives an invite another link.
func (s *Store) RenewInvite(ctx context.Context, id string, r controlplane.InviteRequest) error {
	if !isUUID(id) {
		return unknownInvite()
	}
	return s.inTx(ctx, "renew invite", func(tx pgx.Tx) error {
		if err := mayLink(ctx, tx, r.Actor, r.Tenant); err != nil {
			return err
		}
		free, err := freeSeats(ctx, tx, r.Tenant)
		if err != nil {
			return err
		}
		var expired bool
		err = tx.QueryRow(ctx, lockInvite, id, r.Tenant).Scan(&expired)
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownInvite()
		}
		if err != nil {
			return err
		}
		if expired && free < 1 {
			return &tenant.Fault{Kind: tenant.OverQuota, Code: "seats.full"}
		}
		if _, err := tx.Exec(ctx, renewInvite, id, r.Link.Hash, r.Link.Lifetime, r.Actor.Account); err != nil {
			return err
		}
		if r.Mail != nil {
			if err := s.queueMail(ctx, tx, *r.Mail); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, r.Actor, "member.invite_renew", r.Tenant, map[string]any{"email": r.Email})
	})
}

func unknownInvite() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "invite.unknown"} }

const withdrawInvite = `
update invites set withdrawn_at = now() where id = $1 and tenant_id = $2 and used_at is null and withdrawn_at is null returning email`

// WithdrawInvite ends an invite.
func (s *Store) WithdrawInvite(ctx context.Context, actor controlplane.Actor, id tenant.ID, invite string) error {
	if !isUUID(invite) {
		return unknownInvite()
	}
	return s.inTx(ctx, "withdraw invite", func(tx pgx.Tx) error {
		var email string
		err := tx.QueryRow(ctx, withdrawInvite, invite, id).Scan(&email)
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownInvite()
		}
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "member.invite_withdraw", id, map[string]any{"email": email})
	})
}

const findInvite = `select ` + inviteColumns + ` from invites where hash = $1`

// FindInvite finds an invite by its link.
func (s *Store) FindInvite(ctx context.Context, link controlplane.TokenHash) (controlplane.Invite, error) {
	rows, err := s.pool.Query(ctx, findInvite, link)
	if err != nil {
		return controlplane.Invite{}, fmt.Errorf("find invite: %w", translate(err))
	}
	i, err := pgx.CollectExactlyOneRow(rows, scanInvite)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, linkFault(tenant.NotFound, "token.unknown")
	}
	if err != nil {
		return i, fmt.Errorf("find invite: %w", translate(err))
	}
	return i, nil
}

const takenName = `select exists (select from members where tenant_id = $1 and localpart = $2)`

// TakenName reports whether a name is in use on a server.
func (s *Store) TakenName(ctx context.Context, id tenant.ID, who tenant.Localpart) (found bool, err error) {
	if err := s.pool.QueryRow(ctx, takenName, id, who).Scan(&found); err != nil {
		return false, fmt.Errorf("look for a name on %s: %w", id, translate(err))
	}
	return found, nil
}

const (
	// The tenant is locked before the invite, in the order of all who take seats.
	useInvite = `
update invites set used_at = now(), used_by = $2
where hash = $1 and used_at is null and withdrawn_at is null and expires_at > now() returning id::text`
	explainInvite = `
select case when used_at is not null then 'token.used' when withdrawn_at is not null then 'token.withdrawn' else 'token.expired' end
from invites where hash = $1`
	noteInvite = `update invites set operation_id = $2 where id = $1`
)

// UseInvite turns an invite's seat into a member's. What is refused leaves the invite as it was.
func (s *Store) UseInvite(ctx context.Context, link controlplane.TokenHash, r controlplane.MemberRequest) (operation string, err error) {
	err = s.inTx(ctx, "use invite", func(tx pgx.Tx) error {
		if _, err := freeSeats(ctx, tx, r.Tenant); err != nil {
			return err
		}
		var id string
		err := tx.QueryRow(ctx, useInvite, link, r.Localpart).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return whyNotInvite(ctx, tx, link)
		}
		if err != nil {
			return err
		}
		if operation, err = s.requestMember(ctx, tx, r); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, noteInvite, id, operation)
		return err
	})
	return operation, err
}

func whyNotInvite(ctx context.Context, tx pgx.Tx, link controlplane.TokenHash) error {
	var code string
	err := tx.QueryRow(ctx, explainInvite, link).Scan(&code)
	if errors.Is(err, pgx.ErrNoRows) {
		return linkFault(tenant.NotFound, "token.unknown")
	}
	if err != nil {
		return err
	}
	return linkFault(tenant.Conflict, code)
}

// An hour at least, so that the person before the screen can choose another name.
const reopenInvite = `
update invites set used_at = null, used_by = '', expires_at = greatest(expires_at, now() + interval '1 hour')
where operation_id = $1 and tenant_id = $2`

// reopenInvite gives an invite back whose account the homeserver refused. The seat the account gives up is its own again.
func (s *Store) reopenInvite(ctx context.Context, tx pgx.Tx, o endedOperation) error {
	if o.importID != "" {
		return nil // thousands of rows of a file need not look through everybody's invites
	}
	if _, err := tx.Exec(ctx, reopenInvite, o.id, o.tenant); err != nil {
		return fmt.Errorf("open an invite again: %w", err)
	}
	return nil
}
