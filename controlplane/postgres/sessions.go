package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

// A left join of one constant row, so that an unknown address takes the same query.
const findLogIn = `
select coalesce(a.id::text, ''), coalesce(a.email, ''), coalesce(a.language, ''), coalesce(a.role = 'operator', false),
       a.verified_at is not null, coalesce(a.must_change, false), coalesce(a.created_at, now()),
       ` + twoStepColumn + `, coalesce(a.password_hash, ''),
       coalesce((select t.password_hash from tokens t where t.account_id = a.id and t.purpose = 'verify_email'
                 and a.verified_at is not null and t.used_at is null and t.expires_at > now()
                 order by t.created_at desc limit 1), ''),
       exists (select from known_networks n where n.account_id = a.id and n.network = any($2))
from (values (lower($1))) typed (key) left join accounts a on a.email_key = typed.key`

// FindLogIn implements controlplane.AccountStore.
func (s *Store) FindLogIn(ctx context.Context, email string, networks ...string) (controlplane.Credentials, bool, error) {
	var c controlplane.Credentials
	var known bool
	err := s.pool.QueryRow(ctx, findLogIn, email, networks).Scan(append(accountFields(&c.Account), &c.PasswordHash, &c.SignUpHash, &known)...)
	if err != nil {
		return controlplane.Credentials{}, false, fmt.Errorf("find an account to log in: %w", translate(err))
	}
	if c.ID == "" {
		return controlplane.Credentials{}, false, controlplane.ErrNoAccount
	}
	return c, known, nil
}

const findHashNow = `select password_hash, ` + twoStepColumn + ` from accounts a where a.id = $1`

// stillRight holds a login against the password and the second steps as they are now: checking a password takes its time. The
// account is locked, as by whatever changes them; such a change ends all sessions it can see, and would miss this one.
func stillRight(ctx context.Context, tx pgx.Tx, account, hash string, asksMore bool) error {
	var now string
	var more bool
	if err := tx.QueryRow(ctx, findHashNow, account).Scan(&now, &more); err != nil {
		return fmt.Errorf("look at the password again: %w", err)
	}
	if now != hash || more != asksMore {
		return controlplane.ErrChanged
	}
	return nil
}

const insertSession = `
insert into sessions (token_hash, account_id, expires_at, user_agent, address)
values ($1, $2, now() + $3, $4, $5)`

// The new one is as young as its transaction, so it stays.
const endOldestSessions = `
delete from sessions where id in (select id from sessions where account_id = $1 order by seen_at desc, id offset $2)`

// CreateSession implements controlplane.AccountStore.
func (s *Store) CreateSession(ctx context.Context, n controlplane.NewSession) error {
	return s.inTx(ctx, "create a session", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockAccount, n.Account.ID); err != nil {
			return err
		}
		if n.Hash != "" {
			if err := stillRight(ctx, tx, n.Account.ID, n.Hash, false); err != nil {
				return err
			}
		}
		if err := s.useSecond(ctx, tx, n.Account.ID, n.Second); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertSession, n.Cookie, n.Account.ID, controlplane.SessionIdle, n.UserAgent, n.Address)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, endOldestSessions, n.Account.ID, controlplane.MostSessions); err != nil {
			return err
		}
		if err := knowNetwork(ctx, tx, n.Account.ID, n.Network); err != nil {
			return err
		}
		if err := forgetAttempts(ctx, tx, n.Forget); err != nil {
			return err
		}
		if err := returnAttempts(ctx, tx, n.Return); err != nil {
			return err
		}
		detail := from(n.Address)
		if second := how(n.Second); second != "" {
			detail["second"] = second
		}
		return s.audit(ctx, tx, n.Account.Actor(), "account.login", "", detail)
	})
}

// NoteFailedLogIn implements controlplane.AccountStore.
func (s *Store) NoteFailedLogIn(ctx context.Context, by controlplane.Actor, address string) error {
	return s.inTx(ctx, "note a failed login", func(tx pgx.Tx) error {
		return s.audit(ctx, tx, by, "account.login_failed", "", from(address))
	})
}

const insertNetwork = `
insert into known_networks (account_id, network) values ($1, $2)
on conflict (account_id, network) do update set seen_at = now()`

func knowNetwork(ctx context.Context, tx pgx.Tx, account, network string) error {
	if _, err := tx.Exec(ctx, insertNetwork, account, network); err != nil {
		return fmt.Errorf("remember a network: %w", err)
	}
	return nil
}

const (
	sessionColumns = `s.id::text, s.user_agent, s.address, s.created_at, s.seen_at, s.expires_at,
	extract(epoch from now() - s.reauthenticated_at)::float8, ` + accountColumns

	findSession = `
select ` + sessionColumns + `, s.seen_at < now() - interval '1 minute'
from sessions s join accounts a on a.id = s.account_id
where s.token_hash = $1 and s.expires_at > now()`

	// The bound from the login on holds however often the session is used.
	touchSession = `
update sessions set seen_at = now(), expires_at = least(now() + $2, created_at + $3)
where id = $1 and seen_at < now() - interval '1 minute'
returning seen_at, expires_at`
)

func sessionFields(s *controlplane.Session) []any {
	return append([]any{&s.ID, &s.UserAgent, &s.Address, &s.CreatedAt, &s.SeenAt, &s.ExpiresAt, seconds{&s.ProvedAgo}}, accountFields(&s.Account)...)
}

// FindSession implements controlplane.AccountStore.
func (s *Store) FindSession(ctx context.Context, cookie controlplane.TokenHash) (controlplane.Session, error) {
	var found controlplane.Session
	var stale bool
	err := s.pool.QueryRow(ctx, findSession, cookie).Scan(append(sessionFields(&found), &stale)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return controlplane.Session{}, controlplane.ErrNoSession
	}
	if err != nil {
		return controlplane.Session{}, fmt.Errorf("find a session: %w", translate(err))
	}
	if !stale {
		return found, nil
	}
	err = s.pool.QueryRow(ctx, touchSession, found.ID, controlplane.SessionIdle, controlplane.SessionMost).
		Scan(&found.SeenAt, &found.ExpiresAt)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // no row: a request beside this one has touched or ended it
		return controlplane.Session{}, fmt.Errorf("touch a session: %w", translate(err))
	}
	return found, nil
}

const deleteSession = `
delete from sessions s using accounts a where a.id = s.account_id and s.token_hash = $1 returning ` + accountColumns

// EndSession implements controlplane.AccountStore.
func (s *Store) EndSession(ctx context.Context, cookie controlplane.TokenHash) error {
	return s.inTx(ctx, "end a session", func(tx pgx.Tx) error {
		var a controlplane.Account
		err := tx.QueryRow(ctx, deleteSession, cookie).Scan(accountFields(&a)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, a.Actor(), "account.logout", "", nil)
	})
}

const listSessions = `
select ` + sessionColumns + ` from sessions s join accounts a on a.id = s.account_id
where s.account_id = $1 and s.expires_at > now() order by s.seen_at desc, s.id`

// ListSessions implements controlplane.AccountStore.
func (s *Store) ListSessions(ctx context.Context, account string) ([]controlplane.Session, error) {
	rows, err := s.pool.Query(ctx, listSessions, account)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", translate(err))
	}
	sessions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (controlplane.Session, error) {
		var one controlplane.Session
		return one, row.Scan(sessionFields(&one)...)
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", translate(err))
	}
	return sessions, nil
}

const deleteSessionOf = `
delete from sessions s using accounts a where a.id = s.account_id and s.account_id = $1 and s.id = $2
returning ` + accountColumns

// EndSessionOf implements controlplane.AccountStore.
func (s *Store) EndSessionOf(ctx context.Context, account, session string) error {
	return s.inTx(ctx, "end a session", func(tx pgx.Tx) error {
		var a controlplane.Account
		err := tx.QueryRow(ctx, deleteSessionOf, account, session).Scan(accountFields(&a)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return &tenant.Fault{Kind: tenant.NotFound, Code: "session.unknown"}
		}
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, a.Actor(), "account.session_end", "", nil)
	})
}

// endSessionsBut keeps the session $2; none when that is empty.
const endSessionsBut = `delete from sessions where account_id = $1 and id is distinct from nullif($2, '')::uuid`

// EndSessionsBut implements controlplane.AccountStore.
func (s *Store) EndSessionsBut(ctx context.Context, account, session string) error {
	return s.inTx(ctx, "end other sessions", func(tx pgx.Tx) error {
		var a controlplane.Account
		if err := tx.QueryRow(ctx, findAccount, account).Scan(accountFields(&a)...); err != nil {
			return err
		}
		ended, err := tx.Exec(ctx, endSessionsBut, account, session)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, a.Actor(), "account.sessions_end", "", map[string]any{"ended": ended.RowsAffected()})
	})
}
