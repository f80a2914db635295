package dendrite

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// What follows works on tables of Dendrite 0.15.2 (userapi/storage/postgres, mediaapi/storage/postgres). account_type is
// 1 for a user, 2 for a guest, 3 for an administrator, 4 for an application service.

const deactivateSQL = `
UPDATE public.userapi_accounts SET is_deactivated = $3 WHERE localpart = $1 AND server_name = $2`

// Sessions, push targets and tokens for other services, so that nothing the account holds opens anything.
var endSessionsSQL = []string{
	`DELETE FROM public.userapi_devices WHERE localpart = $1 AND server_name = $2`,
	`DELETE FROM public.userapi_pushers WHERE localpart = $1 AND server_name = $2`,
	`DELETE FROM public.userapi_openid_tokens WHERE localpart = $1 AND server_name = $2`,
}

// Deactivate implements [homeserver.Lifecycle]. Dendrite cannot erase.
func (s *server) Deactivate(ctx context.Context, who tenant.Localpart, erase bool) error {
	if erase {
		return s.Limited.Deactivate(ctx, who, erase)
	}
	return s.inDatabase(ctx, "deactivate an account", func(tx pgx.Tx) error {
		changed, err := tx.Exec(ctx, deactivateSQL, string(who), string(s.Spec.ServerName), true)
		if err == nil && changed.RowsAffected() == 0 {
			return unknown()
		}
		for _, statement := range endSessionsSQL {
			if err == nil {
				_, err = tx.Exec(ctx, statement, string(who), string(s.Spec.ServerName))
			}
		}
		return err
	})
}

// Reactivate implements [homeserver.Accounts]. The password first: between the two the account is still closed.
func (s *server) Reactivate(ctx context.Context, who tenant.Localpart, password string) error {
	if err := s.SetPassword(ctx, who, password); err != nil {
		return err
	}
	return s.inDatabase(ctx, "reactivate an account", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, deactivateSQL, string(who), string(s.Spec.ServerName), false)
		return err
	})
}

// Bounded in rows and in length: what is in these tables is for the tenant to say.
const listSQL = `
SELECT left(a.localpart, 255), left(coalesce(p.display_name, ''), 255), a.account_type = 3,
       coalesce(a.is_deactivated, false), a.created_ts
  FROM public.userapi_accounts a
  LEFT JOIN public.userapi_profiles p ON p.localpart = a.localpart AND p.server_name = a.server_name
 WHERE a.server_name = $1 AND a.localpart <> $2 AND a.account_type IN (1, 3)
 ORDER BY a.localpart LIMIT 10000`

// List implements [homeserver.Accounts].
func (s *server) List(ctx context.Context, _ homeserver.AccountQuery) (homeserver.AccountPage, error) {
	var list []homeserver.Account
	err := s.inDatabase(ctx, "list the accounts", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listSQL, string(s.Spec.ServerName), string(tenant.ControlAccount))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (homeserver.Account, error) {
			var a homeserver.Account
			var name string
			var created int64
			err := row.Scan(&name, &a.DisplayName, &a.Admin, &a.Deactivated, &created)
			a.Localpart, a.Created = tenant.Localpart(name), time.UnixMilli(created)
			return a, err
		})
		return err
	})
	return homeserver.AccountPage{Accounts: list, Total: len(list)}, err
}

// inDatabase runs one transaction as the tenant's role.
func (s *server) inDatabase(ctx context.Context, doing string, do func(pgx.Tx) error) error {
	conn, err := s.Database(ctx)
	if err != nil {
		return unavailable(fmt.Errorf("dendrite: %s: %w", doing, err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := pgx.BeginFunc(ctx, conn, do); err != nil {
		return fmt.Errorf("dendrite: %s: %w", doing, err)
	}
	return nil
}
