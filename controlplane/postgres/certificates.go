package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

const findExpiry = `select not_after from certificates where host = $1`

// Expiry is the end of validity of a host's certificate; the zero time when there is none.
func (s Certificates) Expiry(ctx context.Context, host tenant.Domain) (notAfter time.Time, err error) {
	err = s.store.pool.QueryRow(ctx, findExpiry, host).Scan(&notAfter)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("find certificate of %s: %w", host, err)
	}
	return notAfter, nil
}

const storeCertificate = `
insert into certificates (host, chain_pem, sealed_key, not_after) values ($1, $2, $3, $4)
on conflict (host) do update set chain_pem = excluded.chain_pem, sealed_key = excluded.sealed_key, not_after = excluded.not_after`

// Store keeps a certificate, instead of an older one of the same host.
func (s Certificates) Store(ctx context.Context, c tenant.Certificate) error {
	// The key is sealed to its host: a row cannot be made to serve another name.
	sealed, err := s.store.config.Edge.Seal(c.KeyPEM, certificateContext(c.Host))
	if err != nil {
		return fmt.Errorf("seal key of %s: %w", c.Host, err)
	}
	if _, err := s.store.pool.Exec(ctx, storeCertificate, c.Host, c.ChainPEM, sealed, c.NotAfter); err != nil {
		return fmt.Errorf("store certificate of %s: %w", c.Host, err)
	}
	return nil
}

const deleteCertificate = `delete from certificates where host = $1`

// Delete removes a host's certificate, if it has one.
func (s Certificates) Delete(ctx context.Context, host tenant.Domain) error {
	if _, err := s.store.pool.Exec(ctx, deleteCertificate, host); err != nil {
		return fmt.Errorf("delete certificate of %s: %w", host, err)
	}
	return nil
}

func certificateContext(host tenant.Domain) []byte { return []byte("certificate " + string(host)) }
