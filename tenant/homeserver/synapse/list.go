package synapse

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// Of people alone: neither Hafen's own accounts nor those of guests and bridges. $1 is the server's name, $2 what is
// searched for, as patterns.
const peopleSQL = `
  FROM public.users u LEFT JOIN public.profiles p ON p.full_user_id = u.name
 WHERE u.is_guest = 0 AND u.appservice_id IS NULL AND u.user_type IS DISTINCT FROM 'support' AND u.name NOT LIKE '@hafen-%'
   AND ($2::text[] IS NULL OR substr(u.name, 2, length(u.name) - length($1::text) - 2) ILIKE ANY ($2) OR p.displayname ILIKE ANY ($2))`

var peopleOf = map[string]string{
	"":            ``,
	"active":      ` AND u.deactivated = 0 AND NOT coalesce(u.locked, false)`,
	"deactivated": ` AND u.deactivated = 1`,
	"locked":      ` AND u.deactivated = 0 AND coalesce(u.locked, false)`,
	"admin":       ` AND u.admin = 1`,
}

// The name makes every order whole, so that turning the pages shows each once.
var peopleBy = map[string]string{
	"":        `u.name`,
	"created": `u.creation_ts %[1]s, u.name`,
	"seen":    `(SELECT max(d.last_seen) FROM public.devices d WHERE d.user_id = u.name) %[1]s NULLS LAST, u.name`,
}

// First the page, then what is summed up for each of it. Bounded in length: what is in these tables is for the tenant to
// say. Accounts are counted in seconds, the rest in milliseconds.
const pageOfPeopleSQL = `
SELECT left(substr(u.name, 2, length(u.name) - length($1) - 2), 255), left(coalesce(u.displayname, ''), 255), u.admin = 1,
       u.deactivated = 1, u.locked, u.creation_ts * 1000,
       coalesce((SELECT max(d.last_seen) FROM public.devices d WHERE d.user_id = u.name), 0),
       coalesce((SELECT sum(m.media_length) FROM public.local_media_repository m WHERE m.user_id = u.name AND m.url_cache IS NULL), 0)::bigint
  FROM (SELECT row_number() OVER (ORDER BY %[1]s) AS place, u.name, p.displayname, u.admin, u.deactivated,
               coalesce(u.locked, false) AS locked, coalesce(u.creation_ts, 0) AS creation_ts %[2]s
         ORDER BY place LIMIT $3 OFFSET $4) u
 ORDER BY u.place`

// List implements [homeserver.Accounts].
func (a accounts) List(ctx context.Context, q homeserver.AccountQuery) (homeserver.AccountPage, error) {
	state, ok := peopleOf[q.State]
	if !ok {
		return homeserver.AccountPage{}, fmt.Errorf("synapse: list accounts: no state is called %q", q.State)
	}
	order, ok := peopleBy[q.Sort]
	if !ok {
		return homeserver.AccountPage{}, fmt.Errorf("synapse: list accounts: no order is called %q", q.Sort)
	}
	from, page, server, patterns := peopleSQL+state, admin.Bound(q.Page), string(a.Spec.ServerName), admin.Containing(q.Search)
	var result homeserver.AccountPage
	err := a.read(ctx, "list accounts", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT count(*) `+from, server, patterns).Scan(&result.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, fmt.Sprintf(pageOfPeopleSQL, directed(order, q.Descending), from), server, patterns, page.Limit, page.Offset)
		if err != nil {
			return err
		}
		result.Accounts, err = pgx.CollectRows(rows, scanAccount)
		return err
	})
	return result, err
}

func scanAccount(row pgx.CollectableRow) (homeserver.Account, error) {
	var a homeserver.Account
	var name string
	var created, seen int64
	err := row.Scan(&name, &a.DisplayName, &a.Admin, &a.Deactivated, &a.Locked, &created, &seen, &a.MediaBytes)
	a.Localpart, a.Created, a.SeenAt = tenant.Localpart(name), admin.Moment(created), admin.Moment(seen)
	return a, err
}

// directed writes an order for a direction: "%[1]s" where the direction belongs, and at its end.
func directed(order string, descending bool) string {
	direction := "ASC"
	if descending {
		direction = "DESC"
	}
	return strings.ReplaceAll(order, "%[1]s", direction) + " " + direction
}
