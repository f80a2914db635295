package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	listColleagues = `
select c.account_id::text, a.email, c.role, c.created_at,
	array(select distinct k.localpart from tokens k where k.tenant_id = c.tenant_id and k.made_by = c.account_id and` + openPasswordLink + `order by 1),
	array(select ` + inviteTitle + ` from invites i where i.tenant_id = c.tenant_id and i.made_by = c.account_id and` + openInvite + `order by 1)
from colleagues c join accounts a on a.id = c.account_id where c.tenant_id = $1 order by a.email`
	openColleagueInvite  = ` used_at is null and withdrawn_at is null and expires_at > now() `
	listColleagueInvites = `
select email, role, invited_by, expires_at from colleague_invites where tenant_id = $1 and` + openColleagueInvite + `order by email`
)

// ListColleagues lists those with a role on a server, and the invitations that wait.
func (s *Store) ListColleagues(ctx context.Context, id tenant.ID) ([]controlplane.Colleague, []controlplane.ColleagueInvite, error) {
	rows, err := s.pool.Query(ctx, listColleagues, id)
	if err != nil {
		return nil, nil, fmt.Errorf("list colleagues of %s: %w", id, translate(err))
	}
	people, err := collect(rows, func(row pgx.CollectableRow) (c controlplane.Colleague, err error) {
		err = row.Scan(&c.Account, &c.Email, &c.Role, &c.Since, &c.Held.Passwords, &c.Held.Invites)
		return c, err
	}, "list colleagues")
	if err != nil {
		return nil, nil, err
	}
	rows, err = s.pool.Query(ctx, listColleagueInvites, id)
	if err != nil {
		return nil, nil, fmt.Errorf("list invitations of %s: %w", id, translate(err))
	}
	invites, err := collect(rows, func(row pgx.CollectableRow) (i controlplane.ColleagueInvite, err error) {
		err = row.Scan(&i.Email, &i.Role, &i.InvitedBy, &i.ExpiresAt)
		return i, err
	}, "list invitations")
	return people, invites, err
}

const (
	lockTenant     = `select a.email_key from tenants t join accounts a on a.id = t.account_id where t.id = $1 for update of t`
	knownColleague = `
select exists (select from colleagues c join accounts a on a.id = c.account_id where c.tenant_id = $1 and a.email_key = $2),
	(select count(*) from colleagues where tenant_id = $1)
	+ (select count(*) from colleague_invites where tenant_id = $1 and email_key <> $2 and` + openColleagueInvite + `)`
	withdrawColleague = `
update colleague_invites set withdrawn_at = now() where tenant_id = $1 and email_key = $2 and` + openColleagueInvite
	insertColleagueInvite = `
insert into colleague_invites (hash, tenant_id, email, email_key, role, invited_by, expires_at)
values ($1, $2, $3, $4, $5, $6, now() + $7::interval)`
)

// InviteColleague records an invitation with its mail.
func (s *Store) InviteColleague(ctx context.Context, n controlplane.NewColleague) error {
	key := strings.ToLower(n.Email)
	return s.inTx(ctx, "invite a colleague", func(tx pgx.Tx) error {
		var (
			owner string
			known bool
			count int
		)
		if err := tx.QueryRow(ctx, lockTenant, n.Tenant).Scan(&owner); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, knownColleague, n.Tenant, key).Scan(&known, &count); err != nil {
			return err
		}
		switch {
		case owner == key:
			return &tenant.Fault{Kind: tenant.Conflict, Code: "colleague.owner", Field: "email"}
		case known:
			return &tenant.Fault{Kind: tenant.Conflict, Code: "colleague.exists", Field: "email"}
		case count >= controlplane.MostColleagues:
			return &tenant.Fault{
				Kind: tenant.Conflict, Code: "colleague.too_many", Field: "email",
				Params: map[string]string{"most": strconv.Itoa(controlplane.MostColleagues)},
			}
		}
		if _, err := tx.Exec(ctx, withdrawColleague, n.Tenant, key); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertColleagueInvite, n.Link.Hash, n.Tenant, n.Email, key, n.Role, n.Actor.Email, n.Link.Lifetime)
		if err != nil {
			return err
		}
		if err := s.queueMail(ctx, tx, n.Mail); err != nil {
			return err
		}
		return s.audit(ctx, tx, n.Actor, "colleague.invite", n.Tenant, map[string]any{"email": n.Email, "role": n.Role})
	})
}

// WithdrawColleague ends an open invitation. Idempotent.
func (s *Store) WithdrawColleague(ctx context.Context, actor controlplane.Actor, id tenant.ID, email string) error {
	return s.inTx(ctx, "withdraw an invitation", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, withdrawColleague, id, strings.ToLower(email))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return nil // accepted or run out meanwhile: there is nothing to withdraw
		}
		return s.audit(ctx, tx, actor, "colleague.withdraw", id, map[string]any{"email": email})
	})
}

func unknownColleague() error {
	return &tenant.Fault{Kind: tenant.NotFound, Code: "colleague.unknown"}
}

const findColleagueInvite = `
select i.tenant_id, t.server_name, i.email, i.role, i.invited_by, i.used_at is not null, i.withdrawn_at is not null or t.status = 'deleted',
	i.expires_at <= now()
from colleague_invites i join tenants t on t.id = i.tenant_id where i.hash = $1`

// FindColleagueInvite looks at an invitation without using it.
func (s *Store) FindColleagueInvite(ctx context.Context, link controlplane.TokenHash) (controlplane.ColleagueOffer, error) {
	return findOffer(s.pool.QueryRow(ctx, findColleagueInvite, link))
}

func findOffer(row pgx.Row) (o controlplane.ColleagueOffer, err error) {
	var used, withdrawn, expired bool
	err = row.Scan(&o.Tenant, &o.ServerName, &o.Email, &o.Role, &o.InvitedBy, &used, &withdrawn, &expired)
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && withdrawn:
		return o, &tenant.Fault{Kind: tenant.NotFound, Code: "token.unknown"}
	case err != nil:
		return o, fmt.Errorf("find invitation: %w", translate(err))
	case used:
		return o, &tenant.Fault{Kind: tenant.Conflict, Code: "token.used"}
	case expired:
		return o, &tenant.Fault{Kind: tenant.Conflict, Code: "token.expired"}
	}
	return o, nil
}

const (
	accountAddress = `select email_key from accounts where id = $1 and verified_at is not null`
	useColleague   = `update colleague_invites set used_at = now() where hash = $1 and` + openColleagueInvite
	insertRole     = `
insert into colleagues (tenant_id, account_id, role) values ($1, $2, $3) on conflict (tenant_id, account_id) do update set role = excluded.role`
)

// JoinServer uses an invitation for the account with its address.
func (s *Store) JoinServer(ctx context.Context, actor controlplane.Actor, link controlplane.TokenHash) (id tenant.ID, err error) {
	err = s.inTx(ctx, "join a server", func(tx pgx.Tx) error {
		offer, err := findOffer(tx.QueryRow(ctx, findColleagueInvite, link))
		if err != nil {
			return err
		}
		var address string
		if err := tx.QueryRow(ctx, accountAddress, actor.Account).Scan(&address); err != nil {
			return err
		}
		if address != strings.ToLower(offer.Email) {
			return &tenant.Fault{Kind: tenant.Forbidden, Code: "colleague.address", Params: map[string]string{"email": offer.Email}}
		}
		tag, err := tx.Exec(ctx, useColleague, link)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "token.used"}
		}
		if _, err := tx.Exec(ctx, insertRole, offer.Tenant, actor.Account, offer.Role); err != nil {
			return err
		}
		if _, err := endLinks(ctx, tx, offer.Tenant, actor.Account, offer.Role); err != nil {
			return err
		}
		id = offer.Tenant
		return s.audit(ctx, tx, actor, "colleague.join", id, map[string]any{"role": offer.Role})
	})
	return id, err
}

const (
	setRole = `
update colleagues c set role = $3 from colleagues before where c.tenant_id = $1 and c.account_id = $2 and before.tenant_id = $1
	and before.account_id = $2 returning before.role, (select email from accounts where id = $2)`
	removeColleague = `
delete from colleagues where tenant_id = $1 and account_id = $2 returning role, (select email from accounts where id = $2)`
)

// SetRole gives a colleague another role. Links go with the right to make them.
func (s *Store) SetRole(ctx context.Context, actor controlplane.Actor, id tenant.ID, account string, role controlplane.Role) (controlplane.HeldLinks, error) {
	return s.changeColleague(ctx, actor, id, account, "colleague.role", role, setRole, role)
}

// RemoveColleague takes a colleague's role away, and ends the links they hold.
func (s *Store) RemoveColleague(ctx context.Context, actor controlplane.Actor, id tenant.ID, account string) (controlplane.HeldLinks, error) {
	return s.changeColleague(ctx, actor, id, account, "colleague.remove", "", removeColleague)
}

func (s *Store) changeColleague(
	ctx context.Context, actor controlplane.Actor, id tenant.ID, account, action string, after controlplane.Role, sql string, more ...any,
) (ended controlplane.HeldLinks, err error) {
	if !isUUID(account) {
		return ended, unknownColleague()
	}
	err = s.inTx(ctx, action, func(tx pgx.Tx) error {
		var before controlplane.Role
		var email string
		err := tx.QueryRow(ctx, sql, append([]any{id, account}, more...)...).Scan(&before, &email)
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownColleague()
		}
		if err != nil {
			return err
		}
		if ended, err = endLinks(ctx, tx, id, account, after); err != nil {
			return err
		}
		detail := map[string]any{"email": email, "before": before}
		if after != "" {
			detail["after"] = after
		}
		if !ended.None() {
			detail["ended_links"], detail["ended_invites"] = ended.Passwords, ended.Invites
		}
		return s.audit(ctx, tx, actor, action, id, detail)
	})
	return ended, err
}

const (
	openPasswordLink = ` purpose = 'member_password' and used_at is null and expires_at > now() `
	openInvite       = ` used_at is null and withdrawn_at is null and expires_at > now() `
	inviteTitle      = `coalesce(nullif(display_name, ''), nullif(email, ''), localpart)`
	endPasswordLinks = `update tokens set used_at = now() where tenant_id = $1 and made_by = $2 and` + openPasswordLink + `returning localpart`
	// An invite stays, as one that has run out: whoever manages the members now renews it, with a link that is theirs. Its hash
	// becomes one to which there is no link, so that a use which began a moment ago finds none either.
	endInvites = `
update invites set expires_at = now(), hash = sha256(gen_random_uuid()::text::bytea) where tenant_id = $1 and made_by = $2 and` + openInvite + `returning ` + inviteTitle
)

const (
	ownsTenant = `select exists (select from tenants where id = $1 and account_id = $2)`
	// Whoever takes the role away waits until the link is there, and ends it.
	holdRole = `select role from colleagues where tenant_id = $1 and account_id = $2 for share`
)

// mayLink refuses a link to somebody whose right to make it was taken away since they were let through: it would be one that
// nobody ends.
func mayLink(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, id tenant.ID) error {
	if actor.Operator || actor.Account == "" { // "" is Hafen itself
		return nil
	}
	var owns bool
	if err := tx.QueryRow(ctx, ownsTenant, id, actor.Account).Scan(&owns); err != nil || owns {
		return err
	}
	var role controlplane.Role
	if err := tx.QueryRow(ctx, holdRole, id, actor.Account).Scan(&role); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if !role.May(controlplane.ManageMembers) {
		return &tenant.Fault{Kind: tenant.Forbidden, Code: "role.forbidden"}
	}
	return nil
}

// endLinks ends the links somebody holds that let their bearer in, unless their role still allows to make such. Whoever was
// let go would otherwise come back by one of them: as a new member, or as one whose password they set.
func endLinks(ctx context.Context, tx pgx.Tx, id tenant.ID, account string, role controlplane.Role) (ended controlplane.HeldLinks, err error) {
	if role.May(controlplane.ManageMembers) {
		return ended, nil
	}
	rows, err := tx.Query(ctx, endPasswordLinks, id, account)
	if err != nil {
		return ended, err
	}
	if ended.Passwords, err = pgx.CollectRows(rows, pgx.RowTo[tenant.Localpart]); err != nil {
		return ended, err
	}
	slices.Sort(ended.Passwords)
	ended.Passwords = slices.Compact(ended.Passwords)
	if rows, err = tx.Query(ctx, endInvites, id, account); err != nil {
		return ended, err
	}
	ended.Invites, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return ended, err
}
