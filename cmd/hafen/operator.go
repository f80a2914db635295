package main

import (
	"context"
	"fmt"
	"log/slog"

	"hafen/controlplane"
	"hafen/controlplane/postgres"
	"hafen/web"
)

// operatorCommand is `hafen operator EMAIL`, for an operator who is locked out: it makes a one-time password, or removes the
// second step. Never both at once, so that one slip does not leave an account open.
type operatorCommand struct {
	settings
	Email        string `arg:"" help:"Address the operator logs in with."`
	ResetTwoStep bool   `help:"Remove the second step instead: app, passkeys and recovery codes are lost. The password stays."`
}

// Run prints the password once; it must be changed at the first login.
func (c operatorCommand) Run(ctx context.Context) error {
	db, err := c.openDatabases(ctx, slog.Default())
	if err != nil {
		return err
	}
	store, err := postgres.Open(ctx, db.dsn, postgres.Config{})
	if err != nil {
		return err
	}
	defer store.Close()
	people := controlplane.NewAccounts(controlplane.AccountsConfig{
		Store: store, Hasher: controlplane.NewArgon2id(), Texts: web.MailTexts{PublicURL: c.publicURL()},
	})
	if c.ResetTwoStep {
		if err := people.ResetOperatorTwoStep(ctx, c.Email); err != nil {
			return err
		}
		fmt.Printf("The second step of %s is removed.\n", c.Email)
		return nil
	}
	password, err := people.ResetOperator(ctx, c.Email)
	if err != nil {
		return err
	}
	fmt.Printf("One-time password of %s: %s\n", c.Email, password)
	return nil
}
