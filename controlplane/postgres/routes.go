package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

// Routes, Certificates, Secrets and Challenges are views of the store for those who need just that much of it.
type (
	// Routes keeps what the edge knows of tenants.
	Routes struct{ store *Store }
	// Certificates keeps the edge's certificates, their keys sealed.
	Certificates struct{ store *Store }
	// Secrets keeps tenants' secrets, sealed.
	Secrets struct{ store *Store }
	// Challenges keeps what certificate authorities are answered.
	Challenges struct{ store *Store }
)

// Routes, Certificates, Secrets and Challenges are the views of s.
func (s *Store) Routes() Routes             { return Routes{s} }
func (s *Store) Certificates() Certificates { return Certificates{s} }
func (s *Store) Secrets() Secrets           { return Secrets{s} }
func (s *Store) Challenges() Challenges     { return Challenges{s} }

const routeColumns = `tenant_id, server_name, host, backend, mode, federation_mode, partners, upload_bytes, storage_bytes, contact,
	support_email, support_matrix_id, support_page`

func scanRoute(row pgx.CollectableRow) (r tenant.Route, err error) {
	err = row.Scan(&r.Tenant, &r.ServerName, &r.Host, &r.Backend, &r.Mode, &r.Federation, &r.Partners, &r.UploadBytes, &r.StorageBytes, &r.Contact,
		&r.Support.Email, &r.Support.MatrixID, &r.Support.Page)
	return r, err
}

const findRoute = `select ` + routeColumns + ` from routes where tenant_id = $1`

// Find gives the zero Route when there is none.
func (s Routes) Find(ctx context.Context, id tenant.ID) (tenant.Route, error) {
	rows, err := s.store.pool.Query(ctx, findRoute, id)
	if err != nil {
		return tenant.Route{}, fmt.Errorf("find route of %s: %w", id, err)
	}
	route, err := pgx.CollectExactlyOneRow(rows, scanRoute)
	if errors.Is(err, pgx.ErrNoRows) {
		return tenant.Route{}, nil
	}
	if err != nil {
		return tenant.Route{}, fmt.Errorf("find route of %s: %w", id, err)
	}
	return route, nil
}

const publishRoute = `
insert into routes (` + routeColumns + `) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (tenant_id) do update set server_name = excluded.server_name, host = excluded.host, backend = excluded.backend, mode = excluded.mode,
	federation_mode = excluded.federation_mode, partners = excluded.partners, upload_bytes = excluded.upload_bytes,
	storage_bytes = excluded.storage_bytes, contact = excluded.contact, support_email = excluded.support_email,
	support_matrix_id = excluded.support_matrix_id, support_page = excluded.support_page`

// Publish sets a tenant's route.
func (s Routes) Publish(ctx context.Context, r tenant.Route) error {
	_, err := s.store.pool.Exec(ctx, publishRoute, r.Tenant, r.ServerName, r.Host, r.Backend, r.Mode, r.Federation, r.Partners,
		r.UploadBytes, r.StorageBytes, r.Contact, r.Support.Email, r.Support.MatrixID, r.Support.Page)
	if err != nil {
		return fmt.Errorf("publish route of %s: %w", r.Tenant, translate(err))
	}
	return nil
}

const withdrawRoute = `delete from routes where tenant_id = $1`

// Withdraw removes a tenant's route, if it has one.
func (s Routes) Withdraw(ctx context.Context, id tenant.ID) error {
	if _, err := s.store.pool.Exec(ctx, withdrawRoute, id); err != nil {
		return fmt.Errorf("withdraw route of %s: %w", id, err)
	}
	return nil
}
