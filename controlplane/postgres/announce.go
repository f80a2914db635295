package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	announcementExists = `select exists (select from announcements where id = $1 and tenant_id = $2)`
	lockForAnnouncing  = `select status from tenants where id = $1 for update`
	listOpenAccounts   = `
select localpart from members where tenant_id = $1 and state = 'active' and (cardinality($2::text[]) = 0 or localpart = any($2))`
	insertAnnouncement = `
insert into announcements (id, tenant_id, operation_id, actor, text, everybody, total) values ($1, $2, $3, $4, $5, $6, $7)`
	insertRecipients = `insert into announcement_recipients (announcement_id, localpart) select $1, unnest($2::text[])`
)

// CreateAnnouncement records an announcement, its recipients as they are now, its operation and what the log says.
func (s *Store) CreateAnnouncement(ctx context.Context, actor controlplane.Actor, a controlplane.NewAnnouncement) error {
	to := a.To
	if to == nil {
		to = []tenant.Localpart{}
	}
	return s.inTx(ctx, "create announcement", func(tx pgx.Tx) error {
		var (
			status tenant.Status
			known  bool
		)
		// For update: a form that was sent twice finds, the second time, what the first has made.
		if err := tx.QueryRow(ctx, lockForAnnouncing, a.Tenant).Scan(&status); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, announcementExists, a.ID, a.Tenant).Scan(&known); err != nil || known {
			return err
		}
		if status != tenant.Active {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "status.not_active"}
		}
		operation, err := s.beginOperation(ctx, tx, newOperation{
			tenant: a.Tenant, subject: "announcement", kind: controlplane.OperationAnnounce, actor: actor,
			input: controlplane.AnnouncementInput(a.ID),
		})
		if taken(err) {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "announce.busy"}
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listOpenAccounts, a.Tenant, to)
		if err != nil {
			return err
		}
		recipients, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		total := len(recipients)
		if total == 0 {
			return &tenant.Fault{Kind: tenant.Invalid, Code: "announce.nobody", Field: "to"}
		}
		_, err = tx.Exec(ctx, insertAnnouncement, a.ID, a.Tenant, operation, actor.Email, a.Text, len(to) == 0, total)
		if taken(err) {
			return &tenant.Fault{Kind: tenant.NotFound, Code: "announce.unknown"} // another server's has that id
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertRecipients, a.ID, recipients); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "server.announce", a.Tenant, map[string]any{"recipients": total, "everybody": len(to) == 0})
	})
}

const (
	announcementColumns = `
a.id::text, a.actor, a.text, a.everybody, a.total, a.sent, a.failed, o.finished_at is not null, o.code, a.created_at, o.finished_at
from announcements a join operations o on o.id = a.operation_id where a.tenant_id = $1`
	findAnnouncement   = `select ` + announcementColumns + ` and a.id = $2`
	listAnnouncements  = `select ` + announcementColumns + ` order by a.created_at desc limit $2 offset $3`
	countAnnouncements = `select count(*) from announcements where tenant_id = $1`
	listUnreached      = `
select localpart, code from announcement_recipients where announcement_id = $1 and code <> '' order by localpart limit 100`
)

func scanAnnouncement(row pgx.CollectableRow) (a controlplane.Announcement, err error) {
	err = row.Scan(&a.ID, &a.Actor, &a.Text, &a.Everybody, &a.Total, &a.Sent, &a.Failed, &a.Finished, &a.Code, &a.CreatedAt, &a.FinishedAt)
	return a, err
}

// FindAnnouncement finds one announcement of a server, with those it did not reach.
func (s *Store) FindAnnouncement(ctx context.Context, id tenant.ID, announcement string) (controlplane.Announcement, error) {
	rows, err := s.pool.Query(ctx, findAnnouncement, id, announcement)
	if err != nil {
		return controlplane.Announcement{}, fmt.Errorf("find announcement: %w", translate(err))
	}
	a, err := pgx.CollectExactlyOneRow(rows, scanAnnouncement)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, &tenant.Fault{Kind: tenant.NotFound, Code: "announce.unknown"}
	}
	if err != nil {
		return a, fmt.Errorf("find announcement: %w", translate(err))
	}
	if rows, err = s.pool.Query(ctx, listUnreached, announcement); err != nil {
		return a, fmt.Errorf("list unreached: %w", translate(err))
	}
	a.Unreached, err = collect(rows, func(row pgx.CollectableRow) (u controlplane.Unreached, err error) {
		err = row.Scan(&u.Localpart, &u.Code)
		return u, err
	}, "list unreached")
	return a, err
}

// ListAnnouncements gives a page of a server's announcements, newest first.
func (s *Store) ListAnnouncements(ctx context.Context, id tenant.ID, page int) (list controlplane.AnnouncementPage, err error) {
	if err := s.pool.QueryRow(ctx, countAnnouncements, id).Scan(&list.Total); err != nil {
		return list, fmt.Errorf("count announcements: %w", translate(err))
	}
	const most = controlplane.AnnouncementsPerPage
	rows, err := s.pool.Query(ctx, listAnnouncements, id, most, (max(page, 1)-1)*most)
	if err != nil {
		return list, fmt.Errorf("list announcements: %w", translate(err))
	}
	list.Announcements, err = collect(rows, scanAnnouncement, "list announcements")
	return list, err
}

const (
	searchRecipients = `
select localpart, display_name from members
where tenant_id = $1 and state = 'active' and ($2 = '' or localpart ilike $3 or display_name ilike $3) order by localpart limit $4`
	countRecipients = `select count(*) from members where tenant_id = $1 and state = 'active'`
)

// SearchRecipients lists members who can be written to.
func (s *Store) SearchRecipients(ctx context.Context, id tenant.ID, search string, most int) (found []controlplane.Recipient, total int, err error) {
	if err := s.pool.QueryRow(ctx, countRecipients, id).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count recipients: %w", translate(err))
	}
	rows, err := s.pool.Query(ctx, searchRecipients, id, search, "%"+likeEscaper.Replace(search)+"%", most)
	if err != nil {
		return nil, 0, fmt.Errorf("search recipients: %w", translate(err))
	}
	found, err = collect(rows, func(row pgx.CollectableRow) (r controlplane.Recipient, err error) {
		err = row.Scan(&r.Localpart, &r.DisplayName)
		return r, err
	}, "search recipients")
	return found, total, err
}

const (
	announcementProgress = `select text, sent + failed, total from announcements where id = $1`
	nextRecipients       = `
select r.localpart, r.attempts, coalesce(m.state, '') <> 'active'
from announcement_recipients r join announcements a on a.id = r.announcement_id
	left join members m on m.tenant_id = a.tenant_id and m.localpart = r.localpart
where r.announcement_id = $1 and r.settled_at is null order by r.attempts, r.localpart limit $2`
	settleRecipient = `
with settled as (
	update announcement_recipients set settled_at = now(), code = $3 where announcement_id = $1 and localpart = $2 and settled_at is null
	returning code)
update announcements set sent = sent + (select count(*) from settled where code = ''), failed = failed + (select count(*) from settled where code <> '')
where id = $1`
	postponeRecipient = `update announcement_recipients set attempts = attempts + 1 where announcement_id = $1 and localpart = $2`
)

// NextRecipients gives those to be written to next, and how many are settled.
func (s *Store) NextRecipients(ctx context.Context, announcement string, most int) (next controlplane.NextRecipients, err error) {
	if err := s.pool.QueryRow(ctx, announcementProgress, announcement).Scan(&next.Text, &next.Done, &next.Total); err != nil {
		return next, fmt.Errorf("find announcement %s: %w", announcement, translate(err))
	}
	rows, err := s.pool.Query(ctx, nextRecipients, announcement, most)
	if err != nil {
		return next, fmt.Errorf("list open recipients: %w", translate(err))
	}
	next.Recipients, err = collect(rows, func(row pgx.CollectableRow) (r controlplane.OpenRecipient, err error) {
		err = row.Scan(&r.Localpart, &r.Attempts, &r.Left)
		return r, err
	}, "list open recipients")
	return next, err
}

// SettleRecipient records that somebody has an announcement, or why not; only the first time counts.
func (s *Store) SettleRecipient(ctx context.Context, announcement string, who tenant.Localpart, code string) error {
	if _, err := s.pool.Exec(ctx, settleRecipient, announcement, who, code); err != nil {
		return fmt.Errorf("settle recipient: %w", translate(err))
	}
	return nil
}

// PostponeRecipient counts an attempt in vain.
func (s *Store) PostponeRecipient(ctx context.Context, announcement string, who tenant.Localpart) error {
	if _, err := s.pool.Exec(ctx, postponeRecipient, announcement, who); err != nil {
		return fmt.Errorf("postpone recipient: %w", translate(err))
	}
	return nil
}
