package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	// For share: the status holds until the operation is recorded, and operations do not wait for each other.
	shareStatus     = `select status from tenants where id = $1 for share`
	insertOperation = `
insert into operations (tenant_id, subject, localpart, kind, actor, input, sealed_password) values ($1, $2, $3, $4, $5, $6, $7)
returning id::text`
)

// RequestOperation records an operation and its job.
func (s *Store) RequestOperation(ctx context.Context, r controlplane.OperationRequest) (id string, err error) {
	err = s.inTx(ctx, "request operation", func(tx pgx.Tx) error {
		var status tenant.Status
		if err := tx.QueryRow(ctx, shareStatus, r.Tenant).Scan(&status); err != nil {
			return err
		}
		if status != tenant.Active {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "status.not_active"}
		}
		id, err = s.beginOperation(ctx, tx, newOperation{
			tenant: r.Tenant, subject: r.Subject, localpart: r.Member, kind: r.Kind, actor: r.Actor, input: r.Input,
		})
		if taken(err) {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "operation.busy"}
		}
		if err != nil || r.Audit == nil {
			return err
		}
		return s.audit(ctx, tx, r.Actor, "server."+string(r.Kind), r.Tenant, r.Audit)
	})
	return id, err
}

type newOperation struct {
	tenant    tenant.ID
	subject   string
	localpart tenant.Localpart
	kind      controlplane.OperationKind
	actor     controlplane.Actor
	input     any
	sealed    []byte
}

// beginOperation inserts the row and its job.
func (s *Store) beginOperation(ctx context.Context, tx pgx.Tx, o newOperation) (id string, err error) {
	if o.input == nil {
		o.input = struct{}{}
	}
	if err := tx.QueryRow(ctx, insertOperation, o.tenant, o.subject, o.localpart, o.kind, o.actor.Email, o.input, o.sealed).Scan(&id); err != nil {
		return "", err
	}
	return id, s.enqueue(ctx, tx, controlplane.OperationArgs{Operation: id}, nil)
}

const findOperation = `select kind, finished_at is not null, code, output, done, total from operations where id = $1`

// FindOperation says where an operation stands.
func (s *Store) FindOperation(ctx context.Context, id string) (o controlplane.Operation, err error) {
	var output []byte
	if err := s.pool.QueryRow(ctx, findOperation, id).Scan(&o.Kind, &o.Finished, &o.Code, &output, &o.Done, &o.Total); err != nil {
		return o, fmt.Errorf("find operation %s: %w", id, translate(err))
	}
	o.Output = output
	return o, nil
}

const (
	claimOperation = `
update operations o set claimed_until = now() + $2::interval, attempts = attempts + 1, working = true, parked = false
where id = $1 and finished_at is null and claimed_until < now()
	and (select count(*) from operations w where w.tenant_id = o.tenant_id and w.working and w.finished_at is null and w.claimed_until > now()) < $3
returning tenant_id, localpart, kind, input, sealed_password, attempts > 1, created_at, done, total`
	operationMember = `select display_name, admin from members where tenant_id = $1 and localpart = $2`
	operationSpec   = `select ` + specColumns + ` from tenants t join plans p on p.id = t.plan_id where t.id = $1`
	// The first attempt may be repeated at once, the next after two seconds, and so on to five minutes.
	releaseOperation = `
update operations set claimed_until = now() + least(interval '1 second' * (power(2, least(attempts, 10)) - 2), interval '5 minutes'), working = false
where id = $1 and finished_at is null`
	// An operation that goes on starts anew with what a silent server costs it.
	continueOperation = `update operations set claimed_until = now(), attempts = 1, working = false where id = $1 and finished_at is null`
	reportOperation   = `update operations set done = $2, total = $3 where id = $1 and finished_at is null`
)

// ClaimOperation takes an open operation that no other worker has. Where its server has its share of workers already, it is
// parked, and put into the queue again when one of them is done.
func (s *Store) ClaimOperation(ctx context.Context, id string) (c controlplane.OperationClaim, ok bool, err error) {
	err = s.inTx(ctx, "claim operation", func(tx pgx.Tx) error {
		if err := lockShare(ctx, tx, id); err != nil {
			return err
		}
		c = controlplane.OperationClaim{ID: id}
		var (
			on tenant.ID
			in []byte
		)
		err := tx.QueryRow(ctx, claimOperation, id, controlplane.OperationClaimed, controlplane.OperationShare).
			Scan(&on, &c.Member.Localpart, &c.Kind, &in, &c.Sealed, &c.Again, &c.Asked, &c.Done, &c.Total)
		if errors.Is(err, pgx.ErrNoRows) {
			_, err := tx.Exec(ctx, parkOperation, id)
			return err
		}
		if err != nil {
			return err
		}
		c.Input = in
		if c.Member.Localpart != "" {
			err := tx.QueryRow(ctx, operationMember, on, c.Member.Localpart).Scan(&c.Member.DisplayName, &c.Member.Admin)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
		}
		rows, err := tx.Query(ctx, operationSpec, on)
		if err != nil {
			return err
		}
		claim, err := pgx.CollectExactlyOneRow(rows, scanClaim)
		c.Spec, ok = claim.Spec, err == nil
		return err
	})
	return c, ok, err
}

const (
	// Claims of one server and the ends of its operations come one after another: two claims at once would both find room for
	// one, and an operation would be parked just after the last that could have fetched it from there.
	lockOperations = `select pg_advisory_xact_lock(hashtextextended('operations of ' || tenant_id, 0)) from operations where id = $1`
	// Not what is finished, or has another worker.
	parkOperation = `update operations set parked = true where id = $1 and finished_at is null and claimed_until < now()`
	// What somebody waits for before a screen, first.
	unparkOperation = `
update operations set parked = false where id = (
	select p.id from operations p join operations o on o.tenant_id = p.tenant_id
	where o.id = $1 and p.parked and p.finished_at is null order by starts_with(p.subject, 'question ') desc, p.created_at, p.id limit 1)
returning id::text, import_id is not null`
)

func lockShare(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, lockOperations, id)
	return err
}

// unpark puts the next of a server's parked operations into the queue, when one of them has left its worker.
func (s *Store) unpark(ctx context.Context, tx pgx.Tx, left string) error {
	var next string
	var imported bool
	err := tx.QueryRow(ctx, unparkOperation, left).Scan(&next, &imported)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	var behind *river.InsertOpts
	if imported {
		behind = &river.InsertOpts{Priority: lastInQueue}
	}
	return s.enqueue(ctx, tx, controlplane.OperationArgs{Operation: next}, behind)
}

// ReleaseOperation lets another attempt claim it, the later the more there were.
func (s *Store) ReleaseOperation(ctx context.Context, id string) error {
	return s.inTx(ctx, "release operation", func(tx pgx.Tx) error {
		if err := lockShare(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, releaseOperation, id); err != nil {
			return err
		}
		return s.unpark(ctx, tx, id)
	})
}

// ContinueOperation gives an operation its next turn, behind every other operation that waits.
func (s *Store) ContinueOperation(ctx context.Context, id string) error {
	return s.inTx(ctx, "continue operation", func(tx pgx.Tx) error {
		if err := lockShare(ctx, tx, id); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, continueOperation, id)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if err := s.unpark(ctx, tx, id); err != nil {
			return err
		}
		return s.enqueue(ctx, tx, controlplane.OperationArgs{Operation: id}, &river.InsertOpts{Priority: lastInQueue})
	})
}

// lastInQueue is River's lowest priority: of the jobs that wait, one with a higher priority is always taken first.
const lastInQueue = 4

// ReportOperation records how far an operation is.
func (s *Store) ReportOperation(ctx context.Context, id string, done, total int64) error {
	if _, err := s.pool.Exec(ctx, reportOperation, id, done, total); err != nil {
		return fmt.Errorf("report operation %s: %w", id, translate(err))
	}
	return nil
}

const finishOperation = `
update operations set finished_at = now(), code = $2, output = $3, sealed_password = null, working = false, parked = false
where id = $1 and finished_at is null
returning tenant_id, localpart, kind, input, coalesce(import_id::text, '')`

// FinishOperation records the end of an operation, and what it makes of the member it was about.
func (s *Store) FinishOperation(ctx context.Context, id, code string, output any) error {
	answer, err := json.Marshal(output)
	if err != nil {
		return fmt.Errorf("finish operation %s: write its output: %w", id, err)
	}
	return s.inTx(ctx, "finish operation", func(tx pgx.Tx) error {
		if err := lockShare(ctx, tx, id); err != nil {
			return err
		}
		var (
			ended endedOperation
			in    []byte
		)
		err := tx.QueryRow(ctx, finishOperation, id, code, answer).Scan(&ended.tenant, &ended.localpart, &ended.kind, &in, &ended.importID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // another attempt ended it
		}
		if err != nil {
			return err
		}
		ended.id, ended.code, ended.input = id, code, in
		if err := s.settleMember(ctx, tx, ended); err != nil {
			return err
		}
		return s.unpark(ctx, tx, id)
	})
}

// endedOperation is one that has just ended.
type endedOperation struct {
	id        string
	tenant    tenant.ID
	localpart tenant.Localpart
	kind      controlplane.OperationKind
	input     []byte
	importID  string // "" when it came from no file
	code      string
}
