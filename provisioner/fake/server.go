package fake

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// server is a tenant's homeserver in memory.
type server struct {
	homeserver.Limited
	world *World
	spec  tenant.Spec
}

type accounts struct {
	byName    map[tenant.Localpart]homeserver.Account
	passwords map[tenant.Localpart]string
}

func newAccounts() *accounts {
	return &accounts{byName: map[tenant.Localpart]homeserver.Account{}, passwords: map[tenant.Localpart]string{}}
}

func (a *accounts) create(n homeserver.NewAccount, now time.Time) error {
	if err := checkPassword(n.Password); err != nil {
		return err
	}
	if _, there := a.byName[n.Localpart]; there {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	}
	a.byName[n.Localpart] = homeserver.Account{Localpart: n.Localpart, DisplayName: n.DisplayName, Created: now}
	a.passwords[n.Localpart] = n.Password
	return nil
}

func checkPassword(password string) error {
	if len(password) < 8 {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.short", Field: "password"}
	}
	return nil
}

// Password is what a member's password is at present, "" when there is no such member.
func (w *World) Password(id tenant.ID, who tenant.Localpart) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of(id).accounts.passwords[who]
}

// with calls do with the accounts of a server that is up.
func (s *server) with(do func(*accounts) error) error {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	o := s.world.of(s.spec.ID)
	if !o.healthy() {
		return &tenant.Fault{Kind: tenant.Unavailable, Code: "server.unavailable"}
	}
	return do(o.accounts)
}

// change calls do with one account and keeps what it makes of it.
func (s *server) change(who tenant.Localpart, do func(*homeserver.Account, *accounts) error) error {
	return s.with(func(a *accounts) error {
		account, there := a.byName[who]
		if !there {
			return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"}
		}
		if err := do(&account, a); err != nil {
			return err
		}
		a.byName[who] = account
		return nil
	})
}

// Ready implements homeserver.Server.
func (s *server) Ready(context.Context) error { return s.with(func(*accounts) error { return nil }) }

// CreateControl implements homeserver.Server.
func (s *server) CreateControl(ctx context.Context) ([]byte, error) {
	return []byte("token"), s.Ready(ctx)
}

// Create implements homeserver.Accounts.
func (s *server) Create(_ context.Context, n homeserver.NewAccount) error {
	return s.with(func(a *accounts) error { return a.create(n, s.world.config.Now()) })
}

// SetPassword implements homeserver.Accounts.
func (s *server) SetPassword(_ context.Context, who tenant.Localpart, password string) error {
	return s.change(who, func(_ *homeserver.Account, a *accounts) error {
		if err := checkPassword(password); err != nil {
			return err
		}
		a.passwords[who] = password
		return nil
	})
}

// Deactivate implements homeserver.Accounts.
func (s *server) Deactivate(_ context.Context, who tenant.Localpart, _ bool) error {
	return s.change(who, func(account *homeserver.Account, _ *accounts) error {
		account.Deactivated = true
		return nil
	})
}

// Reactivate implements homeserver.Accounts.
func (s *server) Reactivate(_ context.Context, who tenant.Localpart, password string) error {
	return s.change(who, func(account *homeserver.Account, a *accounts) error {
		if err := checkPassword(password); err != nil {
			return err
		}
		account.Deactivated, a.passwords[who] = false, password
		return nil
	})
}

// List implements homeserver.Accounts.
func (s *server) List(context.Context, homeserver.AccountQuery) (homeserver.AccountPage, error) {
	var list []homeserver.Account
	err := s.with(func(a *accounts) error {
		list = slices.SortedFunc(maps.Values(a.byName), func(x, y homeserver.Account) int {
			return cmp.Compare(x.Localpart, y.Localpart)
		})
		return nil
	})
	return homeserver.AccountPage{Accounts: list, Total: len(list)}, err
}
