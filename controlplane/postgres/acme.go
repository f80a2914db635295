package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

const presentChallenge = `
insert into acme_challenges (host, token, key_authorization) values ($1, $2, $3)
on conflict (host, token) do update set key_authorization = excluded.key_authorization, created_at = now()`

// Present lets the edge answer a challenge.
func (s Challenges) Present(ctx context.Context, c tenant.Challenge) error {
	if _, err := s.store.pool.Exec(ctx, presentChallenge, c.Host, c.Token, c.KeyAuthorization); err != nil {
		return fmt.Errorf("present challenge for %s: %w", c.Host, err)
	}
	return nil
}

const cleanUpChallenge = `delete from acme_challenges where host = $1 and token = $2`

// CleanUp ends a challenge.
func (s Challenges) CleanUp(ctx context.Context, c tenant.Challenge) error {
	if _, err := s.store.pool.Exec(ctx, cleanUpChallenge, c.Host, c.Token); err != nil {
		return fmt.Errorf("clean up challenge for %s: %w", c.Host, err)
	}
	return nil
}

const findChallenge = `
select host, token, key_authorization from acme_challenges
where host = $1 and ($2 = '' or token = $2) and created_at > now() - interval '1 hour' order by created_at desc limit 1`

// FindChallenge finds what to answer, by token or, with token "", the newest of a host; false when there is none.
func (s Challenges) FindChallenge(ctx context.Context, host tenant.Domain, token string) (c tenant.Challenge, ok bool, err error) {
	err = s.store.pool.QueryRow(ctx, findChallenge, host, token).Scan(&c.Host, &c.Token, &c.KeyAuthorization)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("find challenge of %s: %w", host, err)
	}
	return c, true, nil
}

// ACMEAccount is an account with a certificate authority.
type ACMEAccount struct {
	Email        string
	KeyPEM       []byte
	Registration json.RawMessage
}

const findACMEAccount = `select email, sealed_key, registration from acme_accounts where directory = $1`

// FindACMEAccount finds the account with the authority of a directory URL; false when there is none.
func (s *Store) FindACMEAccount(ctx context.Context, directory string) (a ACMEAccount, ok bool, err error) {
	var sealed []byte
	err = s.pool.QueryRow(ctx, findACMEAccount, directory).Scan(&a.Email, &sealed, &a.Registration)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, false, nil
	}
	if err == nil {
		a.KeyPEM, err = s.config.Secrets.Open(sealed, []byte("acme "+directory))
	}
	if err != nil {
		return a, false, fmt.Errorf("find account with %s: %w", directory, err)
	}
	return a, true, nil
}

// The first key stays for ever: the authority knows the account by it. What is known of the account is kept beside it.
const storeACMEAccount = `
insert into acme_accounts (directory, email, sealed_key, registration) values ($1, $2, $3, $4)
on conflict (directory) do update set email = excluded.email,
	registration = case when excluded.registration = '{}' then acme_accounts.registration else excluded.registration end`

// StoreACMEAccount keeps an account; the key of one that was kept before stays.
func (s *Store) StoreACMEAccount(ctx context.Context, directory string, a ACMEAccount) error {
	sealed, err := s.config.Secrets.Seal(a.KeyPEM, []byte("acme "+directory))
	if err != nil {
		return fmt.Errorf("seal account key: %w", err)
	}
	if _, err := s.pool.Exec(ctx, storeACMEAccount, directory, a.Email, sealed, a.Registration); err != nil {
		return fmt.Errorf("store account with %s: %w", directory, err)
	}
	return nil
}
