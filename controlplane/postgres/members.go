package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	memberColumns = `
	m.localpart, t.server_name, m.display_name, m.admin, m.server_admin, m.state, m.locked, m.erased, m.failed_kind, m.failure,
	m.created_at, m.last_seen_at, m.media_bytes, m.missing_at, coalesce(o.kind, '')`
	// One open operation there can be of a subject, so this adds no rows.
	memberTables = `
join tenants t on t.id = m.tenant_id
left join operations o on o.tenant_id = m.tenant_id and o.subject = 'member ' || m.localpart and o.subject <> '' and o.finished_at is null`
)

func scanMember(row pgx.CollectableRow) (m controlplane.Member, err error) {
	var server tenant.Domain
	err = row.Scan(&m.Localpart, &server, &m.DisplayName, &m.Admin, &m.ServerAdmin, &m.State, &m.Locked, &m.Erased, &m.FailedKind, &m.Failed,
		&m.CreatedAt, &m.SeenAt, &m.MediaBytes, &m.MissingAt, &m.Pending)
	m.UserID = m.Localpart.UserID(server)
	return m, err
}

// memberStates says what each state to filter by means; they are the keys of MemberStates.
var memberStates = map[string]string{
	"":            `true`,
	"active":      `m.state <> 'deactivated'`,
	"deactivated": `m.state = 'deactivated'`,
	"locked":      `m.locked and m.state <> 'deactivated'`,
	"admin":       `m.server_admin and m.state <> 'deactivated'`,
	"pending": `(m.state = 'reserved' or m.localpart in
		(select o.localpart from operations o where o.tenant_id = $1 and o.subject <> '' and o.finished_at is null))`,
	"attention": `(m.failure <> '' or m.missing_at is not null)`,
}

// memberSorts says by what each order sorts. The name settles ties: without it a row could be on two pages, or on none.
var memberSorts = map[string][2]string{ // ascending, descending
	"name":    {`m.localpart`, `m.localpart desc`},
	"created": {`m.created_at, m.localpart`, `m.created_at desc, m.localpart`},
	"seen":    {`m.last_seen_at nulls first, m.localpart`, `m.last_seen_at desc nulls last, m.localpart`},
	"storage": {`m.media_bytes, m.localpart`, `m.media_bytes desc, m.localpart`},
}

func orderOf(q controlplane.MemberQuery) string {
	order, known := memberSorts[q.Sort]
	if !known {
		order = memberSorts["name"]
	}
	if q.Descending {
		return order[1]
	}
	return order[0]
}

const (
	// The page is cut out before anything is joined to it: fifty look-ups, however long the list is.
	searchMembers = `
with m as (select * from members m where m.tenant_id = $1 and %s and ($2 = '' or m.localpart like lower($2) or m.display_name ilike $2)
	order by %s limit $3 offset $4)
select ` + memberColumns + ` from m ` + memberTables + ` order by %s`
	countMatches = `
select count(*) from members m where m.tenant_id = $1 and %s and ($2 = '' or m.localpart like lower($2) or m.display_name ilike $2)`
	countMembers = `
select count(*), count(*) filter (where m.state <> 'deactivated'), count(*) filter (where m.state = 'deactivated'),
	count(*) filter (where m.locked and m.state <> 'deactivated'), count(*) filter (where m.server_admin and m.state <> 'deactivated'),
	count(*) filter (where m.failure <> '' or m.missing_at is not null)
from members m where m.tenant_id = $1`
	countPending = `
select count(*) from (
	select localpart from members where tenant_id = $1 and state = 'reserved'
	union select o.localpart from operations o join members m on m.tenant_id = o.tenant_id and m.localpart = o.localpart
	where o.tenant_id = $1 and o.subject <> '' and o.finished_at is null) waiting`
	lastSync = `select (select synced_at from member_syncs where tenant_id = $1)`
)

// SearchMembers gives one page of a tenant's members. Pages are counted, not remembered by their last row: the most a plan
// sells is ten thousand members, of which the last page comes as fast as the first, and a page has an address that means
// the same to everybody.
func (s *Store) SearchMembers(ctx context.Context, id tenant.ID, q controlplane.MemberQuery) (page controlplane.MemberPage, err error) {
	where, known := memberStates[q.State]
	if !known {
		q.State, where = "", memberStates[""]
	}
	like := ""
	if q.Search != "" {
		like = "%" + likeEscaper.Replace(searched(q.Search)) + "%"
	}
	order := orderOf(q)
	rows, err := s.pool.Query(ctx, fmt.Sprintf(searchMembers, where, order, order), id, like, controlplane.MembersPerPage, (q.Page-1)*controlplane.MembersPerPage)
	if err != nil {
		return page, fmt.Errorf("search members of %s: %w", id, translate(err))
	}
	if page.Members, err = collect(rows, scanMember, "search members"); err != nil {
		return page, err
	}
	if page.ByState, err = s.countMembers(ctx, id); err != nil {
		return page, err
	}
	page.Total = page.ByState[q.State]
	if like != "" {
		if err := s.pool.QueryRow(ctx, fmt.Sprintf(countMatches, where), id, like).Scan(&page.Total); err != nil {
			return page, fmt.Errorf("count members of %s: %w", id, translate(err))
		}
	}
	if err := s.pool.QueryRow(ctx, lastSync, id).Scan(&page.SyncedAt); err != nil {
		return page, fmt.Errorf("find the last look at %s: %w", id, translate(err))
	}
	return page, nil
}

// searched is what is looked for: of a whole Matrix address, as people copy it, the name.
func searched(text string) string {
	if name, _, whole := strings.Cut(strings.TrimPrefix(text, "@"), ":"); whole && strings.HasPrefix(text, "@") {
		return name
	}
	return text
}

func (s *Store) countMembers(ctx context.Context, id tenant.ID) (map[string]int, error) {
	var all, active, deactivated, locked, admin, attention, pending int
	err := s.pool.QueryRow(ctx, countMembers, id).Scan(&all, &active, &deactivated, &locked, &admin, &attention)
	if err == nil {
		err = s.pool.QueryRow(ctx, countPending, id).Scan(&pending)
	}
	if err != nil {
		return nil, fmt.Errorf("count members of %s: %w", id, translate(err))
	}
	return map[string]int{
		"": all, "active": active, "deactivated": deactivated, "locked": locked, "admin": admin, "attention": attention, "pending": pending,
	}, nil
}

const (
	findOneMember = `select ` + memberColumns + ` from members m ` + memberTables + ` where m.tenant_id = $1 and m.localpart = $2`
	// Some at a time: whoever reads a file slowly holds neither a connection nor the whole list.
	nextMembers = `select ` + memberColumns + ` from members m ` + memberTables + `
where m.tenant_id = $1 and m.localpart > $2 order by m.localpart limit 500`
)

// FindMember finds one member.
func (s *Store) FindMember(ctx context.Context, id tenant.ID, who tenant.Localpart) (controlplane.Member, error) {
	rows, err := s.pool.Query(ctx, findOneMember, id, who)
	if err != nil {
		return controlplane.Member{}, fmt.Errorf("find member of %s: %w", id, translate(err))
	}
	m, err := pgx.CollectExactlyOneRow(rows, scanMember)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"}
	}
	if err != nil {
		return m, fmt.Errorf("find member of %s: %w", id, translate(err))
	}
	return m, nil
}

// EachMember gives all members, one at a time.
func (s *Store) EachMember(ctx context.Context, id tenant.ID, give func(controlplane.Member) error) error {
	last := tenant.Localpart("")
	for {
		rows, err := s.pool.Query(ctx, nextMembers, id, last)
		if err != nil {
			return fmt.Errorf("read members of %s: %w", id, translate(err))
		}
		some, err := collect(rows, scanMember, "read members")
		if err != nil || len(some) == 0 {
			return err
		}
		for _, m := range some {
			if err := give(m); err != nil {
				return err
			}
			last = m.Localpart
		}
	}
}

const forgetMember = `
delete from members m where m.tenant_id = $1 and m.localpart = $2 and m.missing_at is not null
	and not exists (select from operations o where o.tenant_id = $1 and o.subject = 'member ' || $2 and o.finished_at is null)`

// ForgetMember removes the row of a member whose account is gone from the homeserver.
func (s *Store) ForgetMember(ctx context.Context, actor controlplane.Actor, id tenant.ID, who tenant.Localpart) error {
	return s.inTx(ctx, "forget member", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, forgetMember, id, who)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "member.state"}
		}
		// The name is free now: a link of its last owner must not open the next one's account.
		if _, err := tx.Exec(ctx, killLinks, id, who); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "member.forget", id, map[string]any{"member": who})
	})
}

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// isUUID guards casts of what came in a URL.
func isUUID(s string) bool { return uuidPattern.MatchString(s) }
