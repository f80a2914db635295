package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

const (
	edgeRevisions = `select part, revision from edge_revisions`
	edgeRoutes    = `select ` + routeColumns + ` from routes`
	edgeCerts     = `select host, chain_pem, sealed_key, not_after from certificates`
	// One step down the index for each tenant: the ledger has thousands of measurements of each, and this is asked every time
	// one is added.
	edgeUsage = `
select r.tenant_id, u.database_bytes + u.media_bytes, u.measured_at
from routes r cross join lateral
	(select * from usage where tenant_id = r.tenant_id order by measured_at desc limit 1) u`
)

// EdgeState is what the edge serves from; a part that has not moved since the revision the caller had is nil.
type EdgeState struct {
	Routes, Certificates, Usage string // revisions
	RouteList                   []tenant.Route
	CertificateList             []tenant.Certificate
	UsageList                   []tenant.StorageUse
}

// LoadEdge reads what moved since the given revisions, in one transaction.
func (s *Store) LoadEdge(ctx context.Context, routes, certificates, usage string) (state EdgeState, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if state, err = readRevisions(ctx, tx); err != nil {
			return err
		}
		if state.Routes != routes {
			if state.RouteList, err = query(ctx, tx, edgeRoutes, scanRoute); err != nil {
				return err
			}
		}
		if state.Certificates != certificates {
			if state.CertificateList, err = query(ctx, tx, edgeCerts, s.scanCertificate); err != nil {
				return err
			}
		}
		if state.Usage != usage {
			state.UsageList, err = query(ctx, tx, edgeUsage, func(row pgx.CollectableRow) (u tenant.StorageUse, err error) {
				err = row.Scan(&u.Tenant, &u.Bytes, &u.MeasuredAt)
				return u, err
			})
		}
		return err
	})
	if err != nil {
		return state, fmt.Errorf("load the edge's state: %w", translate(err))
	}
	return state, nil
}

func readRevisions(ctx context.Context, tx pgx.Tx) (state EdgeState, err error) {
	rows, err := tx.Query(ctx, edgeRevisions)
	if err != nil {
		return state, err
	}
	var (
		part     string
		revision int64
	)
	into := map[string]*string{"routes": &state.Routes, "certificates": &state.Certificates, "usage": &state.Usage}
	_, err = pgx.ForEachRow(rows, []any{&part, &revision}, func() error {
		*into[part] = strconv.FormatInt(revision, 10)
		return nil
	})
	return state, err
}

func (s *Store) scanCertificate(row pgx.CollectableRow) (c tenant.Certificate, err error) {
	var sealed []byte
	if err := row.Scan(&c.Host, &c.ChainPEM, &sealed, &c.NotAfter); err != nil {
		return c, err
	}
	if c.KeyPEM, err = s.config.Edge.Open(sealed, certificateContext(c.Host)); err != nil {
		// One damaged row must not keep the edge from all others. Without its key the edge reports and leaves out this one.
		c.KeyPEM = nil
	}
	return c, nil
}

func query[T any](ctx context.Context, tx pgx.Tx, sql string, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, scan)
	if list == nil && err == nil {
		list = []T{} // empty, not unchanged
	}
	return list, err
}
