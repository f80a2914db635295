package controlplane

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hafen/tenant"
)

// Colleagues is who beside the owner may manage a server.
//
// The owner invites by e-mail address; only an account with that address, proven, can use the link, so a mail that is passed
// on opens nothing.
type Colleagues struct{ ColleaguesConfig }

// ColleaguesConfig is what Colleagues needs.
type ColleaguesConfig struct {
	Store ColleagueStore
	Texts MailTexts
	Now   func() time.Time // time.Now when nil
}

// Limits of invitations.
const (
	ColleagueInviteLifetime = 7 * 24 * time.Hour
	MostColleagues          = 50 // and open invitations, of one server
)

// ColleagueStore keeps colleagues.
type ColleagueStore interface {
	ServerFinder
	AttemptStore
	ListColleagues(ctx context.Context, id tenant.ID) ([]Colleague, []ColleagueInvite, error)
	// InviteColleague records an invitation with its mail, in place of an earlier one to the same address. Faults:
	// colleague.exists, colleague.owner, colleague.too_many.
	InviteColleague(ctx context.Context, n NewColleague) error
	// WithdrawColleague ends an invitation. Idempotent.
	WithdrawColleague(ctx context.Context, actor Actor, id tenant.ID, email string) error
	// FindColleagueInvite looks without using it. Faults token.unknown, token.expired, token.used.
	FindColleagueInvite(ctx context.Context, link TokenHash) (ColleagueOffer, error)
	// JoinServer uses the link for an account: as FindColleagueInvite, and colleague.address for another address.
	JoinServer(ctx context.Context, actor Actor, link TokenHash) (tenant.ID, error)
	// SetRole and RemoveColleague end the links that whoever has no right to manage members any more still holds. The Fault
	// colleague.unknown when the account has no role there.
	SetRole(ctx context.Context, actor Actor, id tenant.ID, account string, role Role) (ended HeldLinks, err error)
	RemoveColleague(ctx context.Context, actor Actor, id tenant.ID, account string) (ended HeldLinks, err error)
}

// Colleague is somebody with a role on a server.
type Colleague struct {
	Account string
	Email   string
	Role    Role
	Since   time.Time
	Held    HeldLinks
}

// HeldLinks are links that somebody made, and so may still have, which let whoever opens them in: none of them is used or over.
type HeldLinks struct {
	Passwords []tenant.Localpart // of whom such a link sets the password
	Invites   []string           // who is invited, as far as that was said; "" otherwise
}

// None reports whether there are none.
func (h HeldLinks) None() bool { return len(h.Passwords)+len(h.Invites) == 0 }

// ColleagueInvite is an invitation that waits.
type ColleagueInvite struct {
	Email     string
	Role      Role
	InvitedBy string
	ExpiresAt time.Time
}

// NewColleague is an invitation to record.
type NewColleague struct {
	Actor  Actor
	Tenant tenant.ID
	Email  string
	Role   Role
	Link   Link
	Mail   Mail
}

// ColleagueOffer is what an invitation offers.
type ColleagueOffer struct {
	Tenant     tenant.ID
	ServerName tenant.Domain
	Email      string
	Role       Role
	InvitedBy  string
}

// ColleagueMail invites somebody to manage a server.
type ColleagueMail struct {
	MailLink
	ServerName tenant.Domain
	Role       Role
	InvitedBy  string
}

func (ColleagueMail) mailContent() {}

// NewColleagues makes Colleagues.
func NewColleagues(c ColleaguesConfig) *Colleagues {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Colleagues{c}
}

// List gives the colleagues and the open invitations.
func (c *Colleagues) List(ctx context.Context, actor Actor, id tenant.ID) ([]Colleague, []ColleagueInvite, error) {
	if _, err := authorize(ctx, c.Store, actor, id, ManageColleagues); err != nil {
		return nil, nil, err
	}
	return c.Store.ListColleagues(ctx, id)
}

// Invite mails an invitation. It says the same whether the address has an account with Hafen or not. Faults: email.invalid,
// role.unknown, invite.too_many, and those of the store.
func (c *Colleagues) Invite(ctx context.Context, actor Actor, id tenant.ID, email string, role Role) error {
	server, err := authorize(ctx, c.Store, actor, id, ManageColleagues)
	if err != nil {
		return err
	}
	if email, err = ParseEmail(email); err != nil {
		return err
	}
	if err := checkRole(role); err != nil {
		return err
	}
	if err := takeMail(ctx, c.Store, id, email); err != nil {
		return err
	}
	secret, hash := NewToken()
	text, err := c.Texts.Render(ColleagueMail{
		MailLink:   MailLink{Email: email, Token: secret, Expires: c.Now().Add(ColleagueInviteLifetime)},
		ServerName: server.ServerName, Role: role, InvitedBy: actor.Email,
	}, server.Language)
	if err != nil {
		return fmt.Errorf("write an invitation: %w", err)
	}
	return c.Store.InviteColleague(ctx, NewColleague{
		Actor: actor, Tenant: id, Email: email, Role: role,
		Link: Link{Hash: hash, Lifetime: ColleagueInviteLifetime}, Mail: Mail{To: email, MailText: text},
	})
}

// Withdraw ends an open invitation.
func (c *Colleagues) Withdraw(ctx context.Context, actor Actor, id tenant.ID, email string) error {
	if _, err := authorize(ctx, c.Store, actor, id, ManageColleagues); err != nil {
		return err
	}
	return c.Store.WithdrawColleague(ctx, actor, id, email)
}

// Peek says what a link offers, without using it.
func (c *Colleagues) Peek(ctx context.Context, token string) (ColleagueOffer, error) {
	return c.Store.FindColleagueInvite(ctx, HashToken(token))
}

// Join gives the actor the role that a link offers to their address.
func (c *Colleagues) Join(ctx context.Context, actor Actor, token string) (tenant.ID, error) {
	return c.Store.JoinServer(ctx, actor, HashToken(token))
}

// SetRole changes what a colleague may do, from their next request on. What they made that lets people in ends, unless they
// may still make such: ended says what.
func (c *Colleagues) SetRole(ctx context.Context, actor Actor, id tenant.ID, account string, role Role) (ended HeldLinks, err error) {
	if _, err := authorize(ctx, c.Store, actor, id, ManageColleagues); err != nil {
		return ended, err
	}
	if err := checkRole(role); err != nil {
		return ended, err
	}
	return c.Store.SetRole(ctx, actor, id, account, role)
}

// Remove takes a colleague's role away, from their next request on, and ends what they made that lets people in.
func (c *Colleagues) Remove(ctx context.Context, actor Actor, id tenant.ID, account string) (ended HeldLinks, err error) {
	if _, err := authorize(ctx, c.Store, actor, id, ManageColleagues); err != nil {
		return ended, err
	}
	return c.Store.RemoveColleague(ctx, actor, id, account)
}

// Leave gives one's own role back, and with it ends what one made that lets people in. The owner has none to give.
func (c *Colleagues) Leave(ctx context.Context, actor Actor, id tenant.ID) (ended HeldLinks, err error) {
	server, err := authorize(ctx, c.Store, actor, id, See)
	if err != nil {
		return ended, err
	}
	if server.Role == Owner {
		return ended, &tenant.Fault{Kind: tenant.Conflict, Code: "colleague.owner"}
	}
	return c.Store.RemoveColleague(ctx, actor, id, actor.Account)
}

func checkRole(role Role) error {
	if !slices.Contains(Roles, role) {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "role.unknown", Field: "role"}
	}
	return nil
}
