package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	lockSeats    = `select status from tenants where id = $1 for update`
	countSeats   = `select p.seats + t.extra_seats, seats_used($1) from tenants t join plans p on p.id = t.plan_id where t.id = $1`
	findMember   = `select state, erased from members where tenant_id = $1 and localpart = $2`
	insertMember = `insert into members (tenant_id, localpart, display_name, state) values ($1, $2, $3, 'reserved')`
	setMember    = `update members set state = $3 where tenant_id = $1 and localpart = $2`
	clearFailure = `update members set failed_kind = '', failure = '' where tenant_id = $1 and localpart = $2 and failure <> ''`
)

// RequestMember records an operation and its job; a seat it needs is reserved in the same transaction.
func (s *Store) RequestMember(ctx context.Context, r controlplane.MemberRequest) (operation string, err error) {
	err = s.inTx(ctx, "request member operation", func(tx pgx.Tx) error {
		operation, err = s.requestMember(ctx, tx, r)
		return err
	})
	return operation, err
}

// freeSeats locks a tenant, which must be active, and counts what is left of its seats. The lock orders all who take one,
// by a new account, an invite or an import: of a hundred at the last seat one sees it free.
func freeSeats(ctx context.Context, tx pgx.Tx, id tenant.ID) (int, error) {
	var (
		status      tenant.Status
		seats, used int
	)
	if err := tx.QueryRow(ctx, lockSeats, id).Scan(&status); err != nil {
		return 0, err
	}
	// Counted by a statement of its own: one that waited for the lock still sees the other rows of before its wait.
	if err := tx.QueryRow(ctx, countSeats, id).Scan(&seats, &used); err != nil {
		return 0, err
	}
	if status != tenant.Active {
		return 0, &tenant.Fault{Kind: tenant.Conflict, Code: "status.not_active"}
	}
	return seats - used, nil
}

func (s *Store) requestMember(ctx context.Context, tx pgx.Tx, r controlplane.MemberRequest) (string, error) {
	free, err := freeSeats(ctx, tx, r.Tenant)
	if err != nil {
		return "", err
	}
	if err := s.reserve(ctx, tx, r, free > 0); err != nil {
		return "", err
	}
	operation, err := s.beginOperation(ctx, tx, newOperation{
		tenant: r.Tenant, subject: "member " + string(r.Localpart), localpart: r.Localpart, kind: r.Kind,
		actor: r.Actor, input: r.Input, sealed: r.Sealed,
	})
	if taken(err) {
		return "", &tenant.Fault{Kind: tenant.Conflict, Code: "member.busy"}
	}
	if err == nil && setsPassword(r.Kind) {
		_, err = tx.Exec(ctx, killLinks, r.Tenant, r.Localpart)
	}
	if err != nil {
		return "", err
	}
	about := map[string]any{"member": r.Localpart}
	if r.Input != nil {
		about["how"] = r.Input
	}
	return operation, s.audit(ctx, tx, r.Actor, "member."+string(r.Kind), r.Tenant, about)
}

// reserve sets the member's row to what the operation will need, or refuses.
func (s *Store) reserve(ctx context.Context, tx pgx.Tx, r controlplane.MemberRequest, free bool) error {
	var (
		state  string
		erased bool
	)
	err := tx.QueryRow(ctx, findMember, r.Tenant, r.Localpart).Scan(&state, &erased)
	unknown := errors.Is(err, pgx.ErrNoRows)
	if err != nil && !unknown {
		return err
	}
	takesSeat := r.Kind == controlplane.OperationCreate || r.Kind == controlplane.OperationReactivate
	switch {
	case r.Kind == controlplane.OperationCreate && !unknown:
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	case r.Kind != controlplane.OperationCreate && unknown:
		return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"}
	case !fits(r, state) || erased && takesSeat:
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.state"}
	case takesSeat && !free:
		return &tenant.Fault{Kind: tenant.OverQuota, Code: "seats.full"}
	}
	switch r.Kind {
	case controlplane.OperationCreate:
		_, err = tx.Exec(ctx, insertMember, r.Tenant, r.Localpart, r.DisplayName)
		return err
	case controlplane.OperationReactivate:
		_, err = tx.Exec(ctx, setMember, r.Tenant, r.Localpart, "reserved")
	default:
		err = nil
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, clearFailure, r.Tenant, r.Localpart)
	return err
}

// setsPassword reports whether an operation gives a member a new password. Whoever holds a link from before must not undo it.
func setsPassword(kind controlplane.OperationKind) bool {
	return kind == controlplane.OperationSetPassword || kind == controlplane.OperationReactivate
}

// fits reports whether what is asked for makes sense in a member's state. Somebody deactivated can still be erased, but
// nobody who was erased comes back.
func fits(r controlplane.MemberRequest, state string) bool {
	switch r.Kind {
	case controlplane.OperationCreate:
		return true
	case controlplane.OperationReactivate:
		return state == "deactivated"
	case controlplane.OperationDeactivate:
		return state == "active" || state == "deactivated" && erases(r.Input)
	default:
		return state == "active"
	}
}

// erases reads the input of a deactivation, as it is asked for or as it was recorded.
func erases(input any) bool {
	document, recorded := input.([]byte)
	if !recorded {
		var err error
		if document, err = json.Marshal(input); err != nil {
			return false
		}
	}
	var how struct {
		Erase bool `json:"erase"`
	}
	return json.Unmarshal(document, &how) == nil && how.Erase
}

const (
	deleteMember = `delete from members where tenant_id = $1 and localpart = $2 and state = 'reserved'`
	failMember   = `update members set failed_kind = $3, failure = $4 where tenant_id = $1 and localpart = $2`
	eraseMember  = `update members set display_name = '', erased = true where tenant_id = $1 and localpart = $2`
	setAdmin     = `update members set server_admin = ($3::jsonb->>'admin')::boolean where tenant_id = $1 and localpart = $2`
	setLocked    = `update members set locked = ($3::jsonb->>'locked')::boolean where tenant_id = $1 and localpart = $2`
	// Whoever was let go must not come back by a link that was sent before.
	killLinks = `
update tokens set used_at = now() where tenant_id = $1 and localpart = $2 and purpose = 'member_password' and used_at is null`
)

// settleMember makes of a member what the end of an operation says. A refused creation gives its seat back.
func (s *Store) settleMember(ctx context.Context, tx pgx.Tx, o endedOperation) error {
	if !changesMember(o.kind) {
		return nil
	}
	if o.code != "" {
		return s.settleFailure(ctx, tx, o)
	}
	if err := s.settleImported(ctx, tx, o); err != nil {
		return err
	}
	switch o.kind {
	case controlplane.OperationCreate, controlplane.OperationReactivate:
		return settle(ctx, tx, o, setMember, "active")
	case controlplane.OperationDeactivate:
		if err := settle(ctx, tx, o, setMember, "deactivated"); err != nil {
			return err
		}
		if erases(o.input) {
			if err := settle(ctx, tx, o, eraseMember); err != nil {
				return err
			}
		}
		return settle(ctx, tx, o, killLinks)
	case controlplane.OperationSetAdmin:
		// A link for an account of little power must not open one of more.
		if err := settle(ctx, tx, o, killLinks); err != nil {
			return err
		}
		return settle(ctx, tx, o, setAdmin, string(o.input))
	case controlplane.OperationLock:
		return settle(ctx, tx, o, setLocked, string(o.input))
	default:
		return nil
	}
}

// changesMember reports whether an operation of this kind is about the state of a member: questions are not.
func changesMember(kind controlplane.OperationKind) bool {
	switch kind {
	case controlplane.OperationCreate, controlplane.OperationReactivate, controlplane.OperationDeactivate, controlplane.OperationSetPassword,
		controlplane.OperationSetAdmin, controlplane.OperationLock, controlplane.OperationSignOut:
		return true
	default:
		return false
	}
}

func (s *Store) settleFailure(ctx context.Context, tx pgx.Tx, o endedOperation) error {
	if err := s.audit(ctx, tx, controlplane.Hafen, "member."+string(o.kind)+".failed", o.tenant, map[string]any{"member": o.localpart, "code": o.code}); err != nil {
		return err
	}
	switch o.kind {
	case controlplane.OperationCreate:
		if err := settle(ctx, tx, o, deleteMember); err != nil {
			return err
		}
		if err := s.reopenInvite(ctx, tx, o); err != nil {
			return err
		}
		return s.settleImported(ctx, tx, o)
	case controlplane.OperationReactivate:
		if err := settle(ctx, tx, o, setMember, "deactivated"); err != nil {
			return err
		}
	}
	return settle(ctx, tx, o, failMember, string(o.kind), o.code)
}

// settle runs one statement about the operation's member.
func settle(ctx context.Context, tx pgx.Tx, o endedOperation, sql string, more ...any) error {
	if _, err := tx.Exec(ctx, sql, append([]any{o.tenant, o.localpart}, more...)...); err != nil {
		return fmt.Errorf("settle %s: %w", o.kind, err)
	}
	return nil
}
