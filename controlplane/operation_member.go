package controlplane

import (
	"context"
	"errors"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// The kinds of operation on a member.
const (
	OperationCreate      OperationKind = "create"
	OperationSetPassword OperationKind = "set_password"
	OperationDeactivate  OperationKind = "deactivate" // input: deactivation
	OperationReactivate  OperationKind = "reactivate"
)

func (w *OperationWorker) create(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	password, err := w.password(c)
	if err != nil {
		return nil, err
	}
	err = s.Create(ctx, homeserver.NewAccount{Localpart: c.Member.Localpart, DisplayName: c.Member.DisplayName, Password: password})
	// An earlier attempt of ours may have created it and died before it could say so; then only the password is uncertain.
	if fault, ok := errors.AsType[*tenant.Fault](err); ok && fault.Code == "member.exists" && c.Again {
		return nil, s.SetPassword(ctx, c.Member.Localpart, password)
	}
	return nil, err
}

func (w *OperationWorker) setPassword(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	password, err := w.password(c)
	if err != nil {
		return nil, err
	}
	return nil, s.SetPassword(ctx, c.Member.Localpart, password)
}

// deactivation is the input of OperationDeactivate.
type deactivation struct {
	Erase bool `json:"erase"`
}

func (w *OperationWorker) deactivate(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	how, err := input[deactivation](c)
	if err != nil {
		return nil, err
	}
	return nil, s.Deactivate(ctx, c.Member.Localpart, how.Erase)
}

func (w *OperationWorker) reactivate(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	password, err := w.password(c)
	if err != nil {
		return nil, err
	}
	return nil, s.Reactivate(ctx, c.Member.Localpart, password)
}
