package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const listMembers = `
select m.localpart, t.server_name, m.display_name, m.admin, m.state, m.created_at,
	coalesce((select kind from operations o where o.tenant_id = m.tenant_id and o.localpart = m.localpart and finished_at is null), ''),
	coalesce((select code from operations o where o.tenant_id = m.tenant_id and o.localpart = m.localpart and finished_at is not null
		order by finished_at desc limit 1), '')
from members m join tenants t on t.id = m.tenant_id
where m.tenant_id = $1
order by m.localpart <> t.first_admin, m.localpart`

// ListMembers lists all members of a tenant, its first administrator first.
func (s *Store) ListMembers(ctx context.Context, id tenant.ID) ([]controlplane.Member, error) {
	rows, err := s.pool.Query(ctx, listMembers, id)
	if err != nil {
		return nil, fmt.Errorf("list members of %s: %w", id, translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (m controlplane.Member, err error) {
		var server tenant.Domain
		err = row.Scan(&m.Localpart, &server, &m.DisplayName, &m.Admin, &m.State, &m.CreatedAt, &m.Pending, &m.Failed)
		m.UserID = m.Localpart.UserID(server)
		return m, err
	}, "list members")
}

const (
	lockSeats  = `select status, plan_id from tenants where id = $1 for update`
	countSeats = `
select p.seats, (select count(*) from members where tenant_id = $1 and state in ('reserved', 'active')) from plans p where p.id = $2`
	findMember   = `select state from members where tenant_id = $1 and localpart = $2`
	insertMember = `insert into members (tenant_id, localpart, display_name, state) values ($1, $2, $3, 'reserved')`
	setMember    = `update members set state = $3 where tenant_id = $1 and localpart = $2`
)

// RequestMember records an operation and its job; a seat it needs is reserved in the same transaction.
func (s *Store) RequestMember(ctx context.Context, r controlplane.MemberRequest) (operation string, err error) {
	err = s.inTx(ctx, "request member operation", func(tx pgx.Tx) error {
		operation, err = s.requestMember(ctx, tx, r)
		return err
	})
	return operation, err
}

func (s *Store) requestMember(ctx context.Context, tx pgx.Tx, r controlplane.MemberRequest) (string, error) {
	// The lock on the tenant orders all reservations of its seats: of a hundred at the last seat one sees it free.
	var (
		status      tenant.Status
		plan        tenant.PlanID
		seats, used int
	)
	if err := tx.QueryRow(ctx, lockSeats, r.Tenant).Scan(&status, &plan); err != nil {
		return "", err
	}
	// Counted by a statement of its own: one that waited for the lock still sees the other rows of before its wait, and a
	// plan joined to a tenant that changed it meanwhile would not be found at all.
	if err := tx.QueryRow(ctx, countSeats, r.Tenant, plan).Scan(&seats, &used); err != nil {
		return "", err
	}
	if status != tenant.Active {
		return "", &tenant.Fault{Kind: tenant.Conflict, Code: "status.not_active"}
	}
	if err := s.reserve(ctx, tx, r, used < seats); err != nil {
		return "", err
	}
	operation, err := s.beginOperation(ctx, tx, newOperation{
		tenant: r.Tenant, subject: "member " + string(r.Localpart), localpart: r.Localpart, kind: r.Kind,
		actor: r.Actor, input: r.Input, sealed: r.Sealed,
	})
	if taken(err) {
		return "", &tenant.Fault{Kind: tenant.Conflict, Code: "member.busy"}
	}
	if err != nil {
		return "", err
	}
	return operation, s.audit(ctx, tx, r.Actor, "member."+string(r.Kind), r.Tenant, map[string]any{"member": r.Localpart})
}

// reserve sets the member's row to what the operation will need, or refuses.
func (s *Store) reserve(ctx context.Context, tx pgx.Tx, r controlplane.MemberRequest, free bool) error {
	var state string
	err := tx.QueryRow(ctx, findMember, r.Tenant, r.Localpart).Scan(&state)
	unknown := errors.Is(err, pgx.ErrNoRows)
	if err != nil && !unknown {
		return err
	}
	switch {
	case r.Kind == controlplane.OperationCreate && !unknown:
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	case r.Kind != controlplane.OperationCreate && unknown:
		return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"}
	case r.Kind == controlplane.OperationSetPassword && state != "active",
		r.Kind == controlplane.OperationDeactivate && state != "active",
		r.Kind == controlplane.OperationReactivate && state != "deactivated":
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.state"}
	case (r.Kind == controlplane.OperationCreate || r.Kind == controlplane.OperationReactivate) && !free:
		return &tenant.Fault{Kind: tenant.OverQuota, Code: "seats.full"}
	}
	switch r.Kind {
	case controlplane.OperationCreate:
		_, err = tx.Exec(ctx, insertMember, r.Tenant, r.Localpart, r.DisplayName)
	case controlplane.OperationReactivate:
		_, err = tx.Exec(ctx, setMember, r.Tenant, r.Localpart, "reserved")
	default:
		err = nil
	}
	return err
}

const deleteMember = `delete from members where tenant_id = $1 and localpart = $2 and state = 'reserved'`

// settleMember makes of a member what the end of an operation says. A refused creation gives its seat back.
func (s *Store) settleMember(ctx context.Context, tx pgx.Tx, o endedOperation) error {
	if o.localpart == "" {
		return nil
	}
	if o.code != "" {
		if err := s.audit(ctx, tx, controlplane.Hafen, "member."+string(o.kind)+".failed", o.tenant, map[string]any{"member": o.localpart, "code": o.code}); err != nil {
			return err
		}
	}
	if o.kind == controlplane.OperationCreate && o.code != "" {
		_, err := tx.Exec(ctx, deleteMember, o.tenant, o.localpart)
		return err
	}
	if state := memberState(o.kind, o.code == ""); state != "" {
		_, err := tx.Exec(ctx, setMember, o.tenant, o.localpart, state)
		return err
	}
	return nil
}

// memberState is the state an operation leaves a member in; "" leaves it as it is.
func memberState(kind controlplane.OperationKind, done bool) string {
	switch {
	case done && (kind == controlplane.OperationCreate || kind == controlplane.OperationReactivate):
		return "active"
	case done && kind == controlplane.OperationDeactivate, !done && kind == controlplane.OperationReactivate:
		return "deactivated"
	default:
		return ""
	}
}

const (
	insertPasswordLink = `
insert into tokens (hash, purpose, tenant_id, localpart, expires_at) values ($1, 'member_password', $2, $3, now() + $4::interval)`
	memberIsActive   = `select exists (select from members where tenant_id = $1 and localpart = $2 and state = 'active')`
	findPasswordLink = `
select t.id, k.localpart, t.server_name, t.host, t.language, k.used_at is not null, k.expires_at <= now()
from tokens k join tenants t on t.id = k.tenant_id where k.hash = $1 and k.purpose = 'member_password'`
	usePasswordLink = `
update tokens set used_at = now() where hash = $1 and purpose = 'member_password' and used_at is null and expires_at > now()`
)

// CreatePasswordLink makes a single-use token for a member to set their password.
func (s *Store) CreatePasswordLink(ctx context.Context, actor controlplane.Actor, id tenant.ID, who tenant.Localpart, lifetime time.Duration) (string, error) {
	token, hash := controlplane.NewToken()
	err := s.inTx(ctx, "create password link", func(tx pgx.Tx) error {
		var active bool
		if err := tx.QueryRow(ctx, memberIsActive, id, who).Scan(&active); err != nil {
			return err
		}
		if !active {
			return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"}
		}
		if _, err := tx.Exec(ctx, insertPasswordLink, hash, id, who, lifetime); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "member.password_link", id, map[string]any{"member": who})
	})
	return token, err
}

// FindPasswordLink looks a link up without using it.
func (s *Store) FindPasswordLink(ctx context.Context, token string) (l controlplane.PasswordLink, err error) {
	var used, expired bool
	err = s.pool.QueryRow(ctx, findPasswordLink, controlplane.HashToken(token)).
		Scan(&l.Tenant, &l.Localpart, &l.Server, &l.Host, &l.Language, &used, &expired)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return l, &tenant.Fault{Kind: tenant.NotFound, Code: "token.unknown"}
	case err != nil:
		return l, fmt.Errorf("find password link: %w", translate(err))
	case used:
		return l, &tenant.Fault{Kind: tenant.Conflict, Code: "token.used"}
	case expired:
		return l, &tenant.Fault{Kind: tenant.Conflict, Code: "token.expired"}
	}
	return l, nil
}

// UsePasswordLink uses the link up and records the operation.
func (s *Store) UsePasswordLink(ctx context.Context, token string, sealed []byte) (operation string, err error) {
	link, err := s.FindPasswordLink(ctx, token)
	if err != nil {
		return "", err
	}
	err = s.inTx(ctx, "use password link", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, usePasswordLink, controlplane.HashToken(token))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "token.used"}
		}
		operation, err = s.requestMember(ctx, tx, controlplane.MemberRequest{
			Actor: controlplane.Actor{Email: link.Localpart.UserID(link.Server)}, Tenant: link.Tenant, Localpart: link.Localpart,
			Kind: controlplane.OperationSetPassword, Sealed: sealed,
		})
		return err
	})
	return operation, err
}

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// isUUID guards casts of what came in a URL.
func isUUID(s string) bool { return uuidPattern.MatchString(s) }
