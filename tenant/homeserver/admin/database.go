package admin

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What is in the tables is for the tenant to say, and so is how long it takes to read.
const patience = `SET LOCAL statement_timeout = '20s'`

// Read runs do in one transaction that changes nothing, on a connection that open gives: as the tenant's own role.
func Read(ctx context.Context, open func(context.Context) (*pgx.Conn, error), do func(pgx.Tx) error) error {
	conn, err := open(ctx)
	if err != nil {
		return Unavailable(fmt.Errorf("connect to the database: %w", err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// Of one moment: a page and its count belong together.
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, patience); err != nil {
			return err
		}
		return do(tx)
	})
}
