package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// MemberSync holds the homeservers' own lists of accounts against ours, each about every ten minutes.
//
// Ours is what was asked for, theirs what is so: what people change by themselves (display names), what only the homeserver
// knows (last seen, storage) and what happened behind our back (an account made or closed by other tools) comes in here. An
// account we did not make takes a seat; one that is missing there is marked, never removed.
type MemberSync struct {
	Store       MemberSyncStore
	Homeservers Homeservers
	Log         *slog.Logger
}

// MemberSyncStore keeps what the homeservers say of their accounts.
type MemberSyncStore interface {
	// ClaimMemberSyncs gives running tenants whose list is due, the longest due first, and sets each its next time: nobody
	// else gets them until then. The times are spread, so that tenants do not fall into step.
	ClaimMemberSyncs(ctx context.Context, most int) ([]tenant.Spec, error)
	// SyncMembers makes the rows say what a list says. Members that something is being done to, or has been done to since
	// reading began, are left for the next time.
	SyncMembers(ctx context.Context, id tenant.ID, l MemberList) (SyncResult, error)
}

// MemberList is a homeserver's own list.
type MemberList struct {
	Took     time.Duration // for reading it
	Accounts []homeserver.Account
	Complete bool // nobody can be missing from it by accident
}

// SyncResult counts what a list changed.
type SyncResult struct {
	Changed int `json:"changed"` // members about whom something was new
	Added   int `json:"added"`   // accounts we did not know of
	Missing int `json:"missing"` // members the homeserver does not know
}

const (
	syncPage    = 500
	syncBatch   = 100
	syncWorkers = 4 // 5,000 tenants in ten minutes are eight a second; one takes some tens of milliseconds
	// mostAccounts bounds memory: larger than any plan, and 20 MB.
	mostAccounts = 100_000
)

// Run synchronises until ctx ends.
func (m *MemberSync) Run(ctx context.Context) error {
	return repeat(ctx, 5*time.Second, m.Log, "synchronising members", m.round)
}

// round works off everything that is due.
func (m *MemberSync) round(ctx context.Context) error {
	for ctx.Err() == nil {
		specs, err := m.Store.ClaimMemberSyncs(ctx, syncBatch)
		if err != nil {
			return fmt.Errorf("claim tenants to synchronise: %w", err)
		}
		m.all(ctx, specs)
		if len(specs) < syncBatch {
			return nil
		}
	}
	return nil
}

func (m *MemberSync) all(ctx context.Context, specs []tenant.Spec) {
	slots := make(chan struct{}, syncWorkers)
	var wait sync.WaitGroup
	for _, spec := range specs {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := m.one(ctx, spec); err != nil && ctx.Err() == nil {
				m.Log.WarnContext(ctx, "members not synchronised, next time tries again", "tenant", spec.ID, "error", err)
			}
		})
	}
	wait.Wait()
}

func (m *MemberSync) one(ctx context.Context, spec tenant.Spec) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	server, err := m.Homeservers.Server(ctx, spec)
	if err != nil {
		return err
	}
	_, err = syncMembers(ctx, m.Store, server, spec.ID)
	return err
}

// syncMembers reads a homeserver's list to its end and hands it on whole: pages applied one by one could not tell who is
// missing.
func syncMembers(ctx context.Context, store MemberSyncStore, s homeserver.Accounts, id tenant.ID) (SyncResult, error) {
	began, list := time.Now(), MemberList{}
	seen, read := map[tenant.Localpart]bool{}, 0
	for {
		page, err := s.List(ctx, homeserver.AccountQuery{Page: homeserver.Page{Offset: read, Limit: syncPage}})
		if err != nil {
			return SyncResult{}, fmt.Errorf("list the accounts of %s: %w", id, err)
		}
		read += len(page.Accounts)
		for _, account := range page.Accounts {
			// Names that Hafen does not give cannot be in an address of ours, and Hafen's own account is nobody's.
			if who, err := tenant.ParseLocalpart(string(account.Localpart)); err != nil || who != account.Localpart || seen[who] {
				continue
			}
			seen[account.Localpart] = true
			list.Accounts = append(list.Accounts, account)
		}
		if len(page.Accounts) == 0 || read >= page.Total || read >= mostAccounts {
			// A list that grew or shrank while it was read may have moved somebody past the edge of a page.
			list.Complete = read == page.Total
			break
		}
	}
	list.Took = time.Since(began)
	return store.SyncMembers(ctx, id, list)
}

// Sync asks for a synchronisation now, and waits for its end. done is false when it is still under way after the wait.
func (m *Members) Sync(ctx context.Context, actor Actor, id tenant.ID) (result SyncResult, done bool, err error) {
	if _, err := authorize(ctx, m.Store, actor, id, SeeMembers); err != nil {
		return SyncResult{}, false, err
	}
	_, done, err = operate(ctx, m.Store, m.Wait, OperationRequest{
		Actor: actor, Tenant: id, Kind: OperationSyncMembers, Subject: "members",
	}, &result)
	if tenant.FaultOf(err).Code == "operation.busy" {
		return SyncResult{}, false, nil // somebody else has just asked
	}
	return result, done, err
}
