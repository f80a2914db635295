package dendrite

import (
	"context"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// The parts of the queries that list accounts. $1 is the server's name, $2 patterns to search by, $3 a state. Who is a
// guest (type 2), of a bridge (4) or of Hafen's own is in no list.
const (
	accountsFromSQL = `
  FROM public.userapi_accounts a
  LEFT JOIN public.userapi_profiles p ON p.localpart = a.localpart AND p.server_name = a.server_name
 WHERE a.server_name = $1 AND a.account_type IN (1, 3) AND a.localpart NOT LIKE 'hafen-%'
   AND ($2::text[] IS NULL OR a.localpart ILIKE ANY ($2) OR p.display_name ILIKE ANY ($2))
   AND CASE $3 WHEN 'active' THEN NOT coalesce(a.is_deactivated, false)
               WHEN 'deactivated' THEN coalesce(a.is_deactivated, false)
               WHEN 'admin' THEN a.account_type = 3
               WHEN 'locked' THEN false
               ELSE true END`
	countAccountsSQL = `SELECT count(*)` + accountsFromSQL
	// Bounded in length: what is in these tables is for the tenant to say.
	listAccountsSQL = `
SELECT left(a.localpart, 255), left(coalesce(p.display_name, ''), 255), a.account_type = 3,
       coalesce(a.is_deactivated, false), a.created_ts, ` + lastSeenSQL + accountsFromSQL
	lastSeenSQL = `
       coalesce((SELECT max(d.last_seen_ts) FROM public.userapi_devices d
                  WHERE d.localpart = a.localpart AND d.server_name = a.server_name), 0)`
)

// The orders of a list. The local part decides between equals, so that turning pages shows each account once.
var accountOrders = map[string]string{
	"":        ` ORDER BY a.localpart COLLATE "C"`,
	"created": ` ORDER BY a.created_ts, a.localpart COLLATE "C"`,
	"seen":    ` ORDER BY ` + lastSeenSQL + `, a.localpart COLLATE "C"`,
}

var accountOrdersDescending = map[string]string{
	"":        ` ORDER BY a.localpart COLLATE "C" DESC`,
	"created": ` ORDER BY a.created_ts DESC, a.localpart COLLATE "C" DESC`,
	"seen":    ` ORDER BY ` + lastSeenSQL + ` DESC, a.localpart COLLATE "C" DESC`,
}

const storedSQL = `
SELECT user_id, sum(file_size_bytes)::bigint FROM public.mediaapi_media_repository
 WHERE media_origin = $1 AND user_id = ANY ($2) GROUP BY user_id`

// List implements [homeserver.Accounts]. Dendrite has no API for it.
func (s *server) List(ctx context.Context, q homeserver.AccountQuery) (homeserver.AccountPage, error) {
	var page homeserver.AccountPage
	wanted, order := admin.Bound(q.Page), ordered(accountOrders, accountOrdersDescending, q.Sort, q.Descending)
	err := s.inDatabase(ctx, "list the accounts", func(tx pgx.Tx) error {
		given := []any{string(s.Spec.ServerName), admin.Containing(q.Search), q.State}
		if err := tx.QueryRow(ctx, countAccountsSQL, given...).Scan(&page.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listAccountsSQL+order+` LIMIT $4 OFFSET $5`, append(given, wanted.Limit, wanted.Offset)...)
		if err != nil {
			return err
		}
		if page.Accounts, err = pgx.CollectRows(rows, readAccount); err != nil {
			return err
		}
		return s.addStored(ctx, tx, page.Accounts)
	})
	return page, err
}

func readAccount(row pgx.CollectableRow) (homeserver.Account, error) {
	var a homeserver.Account
	var name string
	var created, seen int64
	err := row.Scan(&name, &a.DisplayName, &a.Admin, &a.Deactivated, &created, &seen)
	a.Localpart, a.Created, a.SeenAt = tenant.Localpart(name), admin.Moment(created), admin.Moment(seen)
	return a, err
}

// addStored adds to the accounts of a page what each has stored. Dendrite's table has no index on who uploaded, so it is
// read once for all of them.
func (s *server) addStored(ctx context.Context, tx pgx.Tx, accounts []homeserver.Account) error {
	ids := make([]string, len(accounts))
	place := map[string]int{}
	for i, a := range accounts {
		ids[i] = s.userID(a.Localpart)
		place[ids[i]] = i
	}
	rows, err := tx.Query(ctx, storedSQL, string(s.Spec.ServerName), ids)
	if err != nil {
		return err
	}
	var id string
	var bytes int64
	_, err = pgx.ForEachRow(rows, []any{&id, &bytes}, func() error {
		if i, asked := place[id]; asked { // what a table that is a view by now answers is for the tenant to say
			accounts[i].MediaBytes = bytes
		}
		return nil
	})
	return err
}

// ordered picks a constant order; what is unheard of is by name.
func ordered(up, down map[string]string, sort string, descending bool) string {
	orders := up
	if descending {
		orders = down
	}
	if order, ok := orders[sort]; ok {
		return order
	}
	return orders[""]
}
