package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// The kinds of operation on a member.
const (
	OperationCreate      OperationKind = "create"
	OperationSetPassword OperationKind = "set_password"
	OperationDeactivate  OperationKind = "deactivate" // input: deactivation
	OperationReactivate  OperationKind = "reactivate"
	OperationSetAdmin    OperationKind = "set_admin"    // input: adminship
	OperationLock        OperationKind = "lock"         // input: locking
	OperationSignOut     OperationKind = "sign_out"     // input: signingOut
	OperationListDevices OperationKind = "list_devices" // output: []homeserver.Device
	OperationSyncMembers OperationKind = "sync_members" // on nobody; output: SyncResult
)

func (w *OperationWorker) create(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	password, err := w.password(c)
	if err != nil {
		return nil, err
	}
	err = s.Create(ctx, homeserver.NewAccount{Localpart: c.Member.Localpart, DisplayName: c.Member.DisplayName, Password: password})
	if fault, ok := errors.AsType[*tenant.Fault](err); !ok || fault.Code != "member.exists" || !c.Again {
		return nil, err
	}
	// An earlier attempt of ours may have created it and died before it could say so; then only the password is uncertain.
	// Or the server was silent, and the account is somebody's whom we do not know: it must not be given away.
	ours, unsure := madeSince(ctx, s, c.Member.Localpart, c.Asked)
	if unsure != nil {
		return nil, unsure
	}
	if !ours {
		return nil, err
	}
	return nil, s.SetPassword(ctx, c.Member.Localpart, password)
}

// clocksDiffer is how far the homeserver's clock may be behind the database's.
const clocksDiffer = time.Minute

// madeSince reports whether an account was made after a moment. Newest first, so that one of ours is found on the first page;
// those of bridges and of Hafen itself are on none.
func madeSince(ctx context.Context, s homeserver.Accounts, who tenant.Localpart, since time.Time) (bool, error) {
	q := homeserver.AccountQuery{Page: homeserver.Page{Limit: syncPage}, Search: string(who), Sort: "created", Descending: true}
	for {
		page, err := s.List(ctx, q)
		if err != nil {
			return false, fmt.Errorf("look for the account %s: %w", who, err)
		}
		for _, account := range page.Accounts {
			if account.Localpart == who {
				return !account.Created.Before(since.Add(-clocksDiffer)), nil
			}
		}
		if q.Offset += len(page.Accounts); len(page.Accounts) == 0 || q.Offset >= page.Total {
			return false, nil
		}
	}
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

// adminship is the input of OperationSetAdmin.
type adminship struct {
	Admin bool `json:"admin"`
}

func (w *OperationWorker) setAdmin(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	how, err := input[adminship](c)
	if err != nil {
		return nil, err
	}
	return nil, s.SetAdmin(ctx, c.Member.Localpart, how.Admin)
}

// locking is the input of OperationLock.
type locking struct {
	Locked bool `json:"locked"`
}

func (w *OperationWorker) lock(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	how, err := input[locking](c)
	if err != nil {
		return nil, err
	}
	return nil, s.Lock(ctx, c.Member.Localpart, how.Locked)
}

// signingOut is the input of OperationSignOut. Without devices it means all.
type signingOut struct {
	Devices []string `json:"devices,omitempty"`
}

func (w *OperationWorker) signOut(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	how, err := input[signingOut](c)
	if err != nil {
		return nil, err
	}
	return nil, s.SignOut(ctx, c.Member.Localpart, how.Devices...)
}

func (w *OperationWorker) listDevices(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	return s.ListDevices(ctx, c.Member.Localpart)
}

func (w *OperationWorker) syncMembers(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	return syncMembers(ctx, w.Members, s, c.Spec.ID)
}
