package controlplane

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hafen/tenant"
)

// Invites is how members come in by themselves: a link that is good for one account.
//
// An open invite holds a seat, so whoever was invited finds one. It ends when it is used, withdrawn or expired. When the
// homeserver refuses the account after all, the invite is open again.
type Invites struct{ InvitesConfig }

// InvitesConfig is what Invites needs.
type InvitesConfig struct {
	Store   InviteStore
	Mailbox Mailbox
	Texts   MailTexts
	Wait    time.Duration    // how long a request waits for the account; OperationWait when zero
	Now     func() time.Time // optional, for tests
}

// InviteDays are the lifetimes to choose from; DefaultInviteDays is the usual one.
var InviteDays = []int{1, 3, 7, 30}

// DefaultInviteDays is how long an invite lives when nothing is chosen.
const DefaultInviteDays = 7

// InviteStore keeps invites.
type InviteStore interface {
	ServerFinder
	OperationRequests
	AttemptStore
	// CreateInvite takes a seat: faults seats.full, status.not_active.
	CreateInvite(ctx context.Context, n InviteRequest) error
	// ListInvites gives a page, from 1, of those that are open or expired of late, newest first.
	ListInvites(ctx context.Context, id tenant.ID, page int) (InvitePage, error)
	// FindInviteByID finds one of a server's invites that can be renewed: the Fault invite.unknown when it was used or withdrawn.
	FindInviteByID(ctx context.Context, id tenant.ID, invite string) (Invite, error)
	// RenewInvite gives an invite that was not used another link and more time; the old link is dead. One that had expired
	// takes a seat again. Faults: invite.unknown, and those of CreateInvite.
	RenewInvite(ctx context.Context, id string, n InviteRequest) error
	// WithdrawInvite ends an open one. Fault: invite.unknown.
	WithdrawInvite(ctx context.Context, actor Actor, id tenant.ID, invite string) error
	InvitedStore
}

// InvitedStore is what the invited person's pages ask.
type InvitedStore interface {
	// FindInvite finds an invite by its link, whatever became of it: the Fault token.unknown when there is none.
	FindInvite(ctx context.Context, link TokenHash) (Invite, error)
	// UseInvite turns the invite's seat into a member's and records the operation that makes the account. Faults: token.used,
	// token.expired, token.withdrawn, member.exists (the invite stays open), seats.full, status.not_active.
	UseInvite(ctx context.Context, link TokenHash, r MemberRequest) (operation string, err error)
	// TakenName reports whether a name is in use on a server.
	TakenName(ctx context.Context, id tenant.ID, who tenant.Localpart) (bool, error)
}

// Invite is one invite.
type Invite struct {
	ID          string
	Tenant      tenant.ID
	Email       string // where it was sent, "" when it was handed over
	DisplayName string
	Localpart   string // proposed; once used, the chosen one
	InvitedBy   string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      *time.Time
	WithdrawnAt *time.Time
	Expired     bool
	Operation   string // that makes the account
}

// InvitesPerPage is how many a page of the list shows.
const InvitesPerPage = 50

// InvitePage is a page of invites, and how many there are in all.
type InvitePage struct {
	Invites []Invite
	Total   int
}

// Open reports whether it can still be used.
func (i Invite) Open() bool { return i.UsedAt == nil && i.WithdrawnAt == nil && !i.Expired }

// InviteRequest records an invite.
type InviteRequest struct {
	Actor       Actor
	Tenant      tenant.ID
	Link        Link
	Email       string
	DisplayName string
	Localpart   string
	Mail        *Mail
}

// NewInvite is what a manager types. All fields may be empty.
type NewInvite struct {
	Email       string // also sends the link there
	DisplayName string
	Localpart   string
	Days        int // one of InviteDays
}

// InviteMail carries an invite to somebody who may never have heard of Matrix.
type InviteMail struct {
	MailLink
	Server      Server
	DisplayName string
	InvitedBy   string
}

func (InviteMail) mailContent() {}

// Accepted is what the invited person chose.
type Accepted struct {
	Token       string
	Localpart   string
	DisplayName string
	Password    string
}

// Invitation is an invite as the invited person sees it.
type Invitation struct {
	Invite
	Server Server
	Made   bool   // the account is there
	Failed string // code, when the homeserver refused the account that was chosen last
}

// NewInvites makes Invites.
func NewInvites(c InvitesConfig) *Invites {
	if c.Wait == 0 {
		c.Wait = OperationWait
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Invites{c}
}

// Create makes an invite and gives its secret, which is kept nowhere else; with an address, the link goes there by mail.
// Faults: seats.full, email.invalid, member.*, invite.days, invite.too_many.
func (i *Invites) Create(ctx context.Context, actor Actor, id tenant.ID, n NewInvite) (token string, err error) {
	server, err := authorize(ctx, i.Store, actor, id, ManageMembers)
	if err != nil {
		return "", err
	}
	request := InviteRequest{Actor: actor, Tenant: id, DisplayName: n.DisplayName}
	if n.Localpart != "" {
		who, err := tenant.ParseLocalpart(n.Localpart)
		if err != nil {
			return "", err
		}
		if taken, err := i.Store.TakenName(ctx, id, who); err != nil || taken {
			return "", orTaken(err)
		}
		request.Localpart = string(who)
	}
	if err := checkDisplayName(n.DisplayName); err != nil {
		return "", err
	}
	if n.Email != "" {
		if request.Email, err = ParseEmail(n.Email); err != nil {
			return "", err
		}
		if err := takeMail(ctx, i.Store, id, request.Email); err != nil {
			return "", err
		}
	}
	if token, err = i.link(server, n.Days, &request); err != nil {
		return "", err
	}
	return token, i.Store.CreateInvite(ctx, request)
}

func orTaken(err error) error {
	if err != nil {
		return err
	}
	return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
}

// link draws the secret and writes the mail.
func (i *Invites) link(server Server, days int, r *InviteRequest) (token string, err error) {
	if !slices.Contains(InviteDays, days) {
		return "", &tenant.Fault{Kind: tenant.Invalid, Code: "invite.days", Field: "days"}
	}
	r.Link.Lifetime = time.Duration(days) * 24 * time.Hour
	token, r.Link.Hash = NewToken()
	if r.Email == "" {
		return token, nil
	}
	text, err := i.Texts.Render(InviteMail{
		MailLink: MailLink{Email: r.Email, Token: token, Expires: i.Now().Add(r.Link.Lifetime)},
		Server:   server, DisplayName: r.DisplayName, InvitedBy: r.Actor.Email,
	}, server.Language)
	if err != nil {
		return "", fmt.Errorf("write the mail of an invite: %w", err)
	}
	r.Mail = &Mail{To: r.Email, MailText: text}
	return token, nil
}

// List gives a page, from 1, of the invites that are open, or expired of late, newest first.
func (i *Invites) List(ctx context.Context, actor Actor, id tenant.ID, page int) (InvitePage, error) {
	if _, err := authorize(ctx, i.Store, actor, id, SeeMembers); err != nil {
		return InvitePage{}, err
	}
	return i.Store.ListInvites(ctx, id, max(page, 1))
}

// Renew makes another link for an invite that was not used; the old one is dead. An invite with an address is sent again.
// sentTo is that address. Faults: invite.unknown, invite.too_many, seats.full.
func (i *Invites) Renew(ctx context.Context, actor Actor, id tenant.ID, invite string) (token, sentTo string, err error) {
	server, err := authorize(ctx, i.Store, actor, id, ManageMembers)
	if err != nil {
		return "", "", err
	}
	known, err := i.Store.FindInviteByID(ctx, id, invite)
	if err == nil && known.Email != "" {
		err = takeMail(ctx, i.Store, id, known.Email)
	}
	if err != nil {
		return "", "", err
	}
	request := InviteRequest{Actor: actor, Tenant: id, Email: known.Email, DisplayName: known.DisplayName}
	if token, err = i.link(server, DefaultInviteDays, &request); err != nil {
		return "", "", err
	}
	return token, known.Email, i.Store.RenewInvite(ctx, invite, request)
}

// Withdraw ends an invite and frees its seat.
func (i *Invites) Withdraw(ctx context.Context, actor Actor, id tenant.ID, invite string) error {
	if _, err := authorize(ctx, i.Store, actor, id, ManageMembers); err != nil {
		return err
	}
	return i.Store.WithdrawInvite(ctx, actor, id, invite)
}

// Open finds what a link leads to. It is no fault that the invite is over: the page says so. Fault: token.unknown.
func (i *Invites) Open(ctx context.Context, token string) (Invitation, error) {
	invite, err := i.Store.FindInvite(ctx, HashToken(token))
	if err != nil {
		return Invitation{}, err
	}
	server, err := i.Store.FindServer(ctx, "", invite.Tenant)
	if err != nil {
		return Invitation{}, err
	}
	invitation := Invitation{Invite: invite, Server: server}
	if invite.Operation == "" {
		return invitation, nil
	}
	o, err := i.Store.FindOperation(ctx, invite.Operation)
	if err != nil {
		return Invitation{}, err
	}
	invitation.Made, invitation.Failed = o.Finished && o.Code == "", o.Code
	return invitation, nil
}

// CheckName says whether the invited person can have a name: nil, or the fault that says why not.
func (i *Invites) CheckName(ctx context.Context, token, localpart string) (tenant.Localpart, error) {
	invite, err := i.Store.FindInvite(ctx, HashToken(token))
	if err != nil {
		return "", err
	}
	if err := over(invite); err != nil {
		return "", err
	}
	who, err := tenant.ParseLocalpart(localpart)
	if err != nil {
		return "", err
	}
	if taken, err := i.Store.TakenName(ctx, invite.Tenant, who); err != nil || taken {
		return who, orTaken(err)
	}
	return who, nil
}

// over is the fault of an invite that cannot be used any more.
func over(invite Invite) error {
	var code string
	switch {
	case invite.UsedAt != nil:
		code = "token.used"
	case invite.WithdrawnAt != nil:
		code = "token.withdrawn"
	case invite.Expired:
		code = "token.expired"
	default:
		return nil
	}
	return &tenant.Fault{Kind: tenant.Conflict, Code: code}
}

// Accept makes the account the invited person chose. done is false when it is still being made after the wait. Where the
// homeserver refuses the account, the invite is open again.
func (i *Invites) Accept(ctx context.Context, a Accepted) (done bool, err error) {
	invite, err := i.Store.FindInvite(ctx, HashToken(a.Token))
	if err != nil {
		return false, err
	}
	if err := over(invite); err != nil {
		return false, err
	}
	who, err := tenant.ParseLocalpart(a.Localpart)
	if err != nil {
		return false, err
	}
	if err := checkDisplayName(a.DisplayName); err != nil {
		return false, err
	}
	if err := checkMemberPassword(a.Password); err != nil {
		return false, err
	}
	sealed, err := i.Mailbox.SealMail([]byte(a.Password), MailContext(invite.Tenant, who))
	if err != nil {
		return false, err
	}
	operation, err := i.Store.UseInvite(ctx, HashToken(a.Token), MemberRequest{
		Actor: Actor{Email: "invite"}, Tenant: invite.Tenant, Localpart: who, Kind: OperationCreate,
		DisplayName: a.DisplayName, Input: madeBy{Invite: invite.ID}, Sealed: sealed,
	})
	if err != nil {
		return false, err
	}
	_, done, err = await(ctx, i.Store, i.Wait, invite.Tenant, operation)
	return done, err
}

// madeBy is the input of an OperationCreate that did not come from a manager's hand: it says what it came from.
type madeBy struct {
	Invite string `json:"invite,omitempty"`
	Line   int    `json:"line,omitempty"` // of the imported file
	Email  string `json:"email,omitempty"`
	Own    bool   `json:"own,omitempty"` // the password was in the file
}
