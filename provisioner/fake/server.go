package fake

import (
	"context"
	"crypto/rand"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Describe says what a homeserver in memory can do, whatever engine its spec names: it keeps accounts, and neither rooms
// nor media.
func Describe(name tenant.EngineName) homeserver.Description {
	return homeserver.Description{
		Name: name, Version: "in memory",
		Capabilities: []homeserver.Capability{
			homeserver.ListAccounts, homeserver.SetAdmin, homeserver.Deactivate, homeserver.Reactivate, homeserver.Lock,
		},
	}
}

// server is a tenant's homeserver in memory.
type server struct {
	homeserver.Limited
	world *World
	spec  tenant.Spec
}

// accounts are those of one homeserver. The control account has sessions only, so it is in no list.
type accounts struct {
	byName    map[tenant.Localpart]homeserver.Account
	passwords map[tenant.Localpart]string
	sessions  map[string]tenant.Localpart // by token
}

func newAccounts() *accounts {
	return &accounts{
		byName: map[tenant.Localpart]homeserver.Account{}, passwords: map[tenant.Localpart]string{},
		sessions: map[string]tenant.Localpart{},
	}
}

func (a *accounts) create(n homeserver.NewAccount, now time.Time) error {
	if err := checkPassword(n.Password); err != nil && n.Password != "" {
		return err
	}
	if _, there := a.byName[n.Localpart]; there {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	}
	a.byName[n.Localpart] = homeserver.Account{Localpart: n.Localpart, DisplayName: n.DisplayName, Admin: n.Admin, Created: now}
	a.passwords[n.Localpart] = n.Password
	return nil
}

// begin opens a session.
func (a *accounts) begin(who tenant.Localpart) (token string) {
	token = rand.Text()
	a.sessions[token] = who
	return token
}

// end closes all sessions of somebody.
func (a *accounts) end(who tenant.Localpart) {
	for token, owner := range a.sessions {
		if owner == who {
			delete(a.sessions, token)
		}
	}
}

func checkPassword(password string) error {
	switch {
	case len(password) < 8:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.short", Field: "password"}
	case len(password) > 72: // as with the real engines
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.long", Field: "password"}
	}
	return nil
}

// Password is what a member's password is at present, "" when there is no such member, or none that opens the account.
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
func (s *server) CreateControl(context.Context) (token []byte, err error) {
	err = s.with(func(a *accounts) error {
		token = []byte(a.begin(tenant.ControlAccount))
		return nil
	})
	return token, err
}

// Create implements homeserver.Accounts.
func (s *server) Create(_ context.Context, n homeserver.NewAccount) error {
	if len(n.Localpart.UserID(s.spec.ServerName)) > 255 { // the specification's most
		return &tenant.Fault{Kind: tenant.Invalid, Code: "member.long", Field: "localpart"}
	}
	return s.with(func(a *accounts) error { return a.create(n, s.world.config.Now()) })
}

// SetPassword implements homeserver.Accounts.
func (s *server) SetPassword(_ context.Context, who tenant.Localpart, password string) error {
	return s.change(who, func(_ *homeserver.Account, a *accounts) error {
		if err := checkPassword(password); err != nil {
			return err
		}
		a.passwords[who] = password
		a.end(who)
		return nil
	})
}

// SetAdmin implements homeserver.Accounts.
func (s *server) SetAdmin(_ context.Context, who tenant.Localpart, admin bool) error {
	return s.change(who, func(account *homeserver.Account, _ *accounts) error {
		account.Admin = admin
		return nil
	})
}

// Deactivate implements homeserver.Lifecycle.
func (s *server) Deactivate(ctx context.Context, who tenant.Localpart, erase bool) error {
	if erase {
		return &homeserver.Unsupported{Engine: s.spec.Engine, Capability: homeserver.Erase}
	}
	return s.change(who, func(account *homeserver.Account, a *accounts) error {
		account.Deactivated = true
		a.end(who)
		return nil
	})
}

// Reactivate implements homeserver.Lifecycle.
func (s *server) Reactivate(_ context.Context, who tenant.Localpart, password string) error {
	return s.change(who, func(account *homeserver.Account, a *accounts) error {
		if err := checkPassword(password); err != nil {
			return err
		}
		account.Deactivated, a.passwords[who] = false, password
		return nil
	})
}

// Lock implements homeserver.Lifecycle.
func (s *server) Lock(_ context.Context, who tenant.Localpart, locked bool) error {
	return s.change(who, func(account *homeserver.Account, _ *accounts) error {
		account.Locked = locked
		return nil
	})
}
