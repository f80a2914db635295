package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
)

const reauthenticate = `update sessions set reauthenticated_at = now() where id = $1 and account_id = $2 and expires_at > now()`

// Reauthenticate implements controlplane.AccountStore.
func (s *Store) Reauthenticate(ctx context.Context, n controlplane.Reauthentication) error {
	return s.inTx(ctx, "reauthenticate", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockAccount, n.Session.Account.ID); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, reauthenticate, n.Session.ID, n.Session.Account.ID)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return controlplane.ErrNoSession
		}
		if err := s.useSecond(ctx, tx, n.Session.Account.ID, n.Second); err != nil {
			return err
		}
		if err := forgetAttempts(ctx, tx, n.Forget); err != nil {
			return err
		}
		detail := map[string]any{}
		if second := how(n.Second); second != "" {
			detail["second"] = second
		}
		return s.audit(ctx, tx, n.Session.Account.Actor(), "account.reauthenticate", "", detail)
	})
}

// seconds scans a number of seconds into a duration.
type seconds struct{ to *time.Duration }

// Scan implements sql.Scanner.
func (s seconds) Scan(value any) error {
	n, ok := value.(float64)
	if !ok {
		return fmt.Errorf("%T is no number of seconds", value)
	}
	*s.to = time.Duration(n * float64(time.Second))
	return nil
}
