package controlplane

import (
	"context"
	"crypto/rand"
	"math/big"
	"time"
	"unicode/utf8"

	"hafen/tenant"
)

// Members is the accounts on a homeserver, as its owner manages them.
//
// Every change is an operation row which the control plane executes; this type records it and waits, for a moment, for its
// end. A password travels sealed to the control plane's public key: the web role cannot read it back.
type Members struct{ MembersConfig }

// MembersConfig is what Members needs.
type MembersConfig struct {
	Store   MemberStore
	Mailbox Mailbox
	Wait    time.Duration // how long a request waits for its operation; OperationWait when zero
}

// Mailbox seals a secret so that only the control plane can open it.
type Mailbox interface {
	SealMail(plaintext, context []byte) ([]byte, error)
}

// MemberStore keeps members and operations.
type MemberStore interface {
	ServerFinder
	ListMembers(ctx context.Context, id tenant.ID) ([]Member, error)
	// RequestMember records an operation and its job. A create or reactivate reserves the seat in the same transaction:
	// faults seats.full, member.exists, member.unknown, member.busy, status.not_active.
	RequestMember(ctx context.Context, o MemberRequest) (operation string, err error)
	OperationRequests
	CreatePasswordLink(ctx context.Context, actor Actor, id tenant.ID, who tenant.Localpart, lifetime time.Duration) (token string, err error)
	// FindPasswordLink looks a link up without using it: faults token.unknown, token.expired, token.used.
	FindPasswordLink(ctx context.Context, token string) (PasswordLink, error)
	// UsePasswordLink uses the link and records the operation in one transaction, so exactly one of two wins.
	UsePasswordLink(ctx context.Context, token string, sealed []byte) (operation string, err error)
}

// Member is one account with a seat.
type Member struct {
	Localpart   tenant.Localpart
	UserID      string
	DisplayName string
	Admin       bool   // the one that came with the order
	State       string // reserved, active, deactivated
	Pending     string // kind of the operation under way
	Failed      string // code of the last operation's failure
	CreatedAt   time.Time
}

// MemberRequest asks for an operation.
type MemberRequest struct {
	Actor       Actor
	Tenant      tenant.ID
	Localpart   tenant.Localpart
	Kind        OperationKind
	DisplayName string
	Input       any
	Sealed      []byte
}

// PasswordLink is whom a set-password link is for.
type PasswordLink struct {
	Tenant    tenant.ID
	Localpart tenant.Localpart
	Server    tenant.Domain
	Host      tenant.Domain
	Language  string
}

// NewMember is what an owner types to add one. Password "" asks for a generated one.
type NewMember struct {
	Localpart   string
	DisplayName string
	Password    string
}

// MemberResult is shown once. Done is false when the operation is still under way after the wait.
type MemberResult struct {
	UserID   string
	Password string // only when it was generated here
	Done     bool
}

// NewMembers makes Members.
func NewMembers(c MembersConfig) *Members {
	if c.Wait == 0 {
		c.Wait = OperationWait
	}
	return &Members{c}
}

// List gives all members, first administrator first, then by name.
func (m *Members) List(ctx context.Context, actor Actor, id tenant.ID) ([]Member, error) {
	if _, err := authorize(ctx, m.Store, actor, id, SeeMembers); err != nil {
		return nil, err
	}
	return m.Store.ListMembers(ctx, id)
}

// Add creates a member. Faults: seats.full, member.*, password.short, password.long.
func (m *Members) Add(ctx context.Context, actor Actor, id tenant.ID, n NewMember) (MemberResult, error) {
	who, err := tenant.ParseLocalpart(n.Localpart)
	if err != nil {
		return MemberResult{}, err
	}
	if utf8.RuneCountInString(n.DisplayName) > 100 {
		return MemberResult{}, &tenant.Fault{Kind: tenant.Invalid, Code: "member.display_name", Field: "display_name"}
	}
	return m.withPassword(ctx, actor, n.Password, MemberRequest{
		Tenant: id, Localpart: who, Kind: OperationCreate, DisplayName: n.DisplayName,
	})
}

// SetPassword gives a member a new password ("" asks for a generated one) and ends their sessions.
func (m *Members) SetPassword(ctx context.Context, actor Actor, id tenant.ID, localpart, password string) (MemberResult, error) {
	return m.withPassword(ctx, actor, password, MemberRequest{
		Tenant: id, Localpart: tenant.Localpart(localpart), Kind: OperationSetPassword,
	})
}

// Deactivate ends a member's sessions and frees the seat; their messages stay.
func (m *Members) Deactivate(ctx context.Context, actor Actor, id tenant.ID, localpart string) (MemberResult, error) {
	server, err := authorize(ctx, m.Store, actor, id, ManageMembers)
	if err != nil {
		return MemberResult{}, err
	}
	r := MemberRequest{Actor: actor, Tenant: id, Localpart: tenant.Localpart(localpart), Kind: OperationDeactivate}
	return m.request(ctx, server, r, "")
}

// Reactivate takes a seat again, with a new generated password.
func (m *Members) Reactivate(ctx context.Context, actor Actor, id tenant.ID, localpart string) (MemberResult, error) {
	return m.withPassword(ctx, actor, "", MemberRequest{
		Tenant: id, Localpart: tenant.Localpart(localpart), Kind: OperationReactivate,
	})
}

// PasswordLink makes a single-use link's token with which a member sets their own password. It lives for three days.
func (m *Members) PasswordLink(ctx context.Context, actor Actor, id tenant.ID, localpart string) (string, error) {
	if _, err := authorize(ctx, m.Store, actor, id, ManageMembers); err != nil {
		return "", err
	}
	return m.Store.CreatePasswordLink(ctx, actor, id, tenant.Localpart(localpart), 72*time.Hour)
}

// PeekPasswordLink says whom a link is for, without using it.
func (m *Members) PeekPasswordLink(ctx context.Context, token string) (PasswordLink, error) {
	return m.Store.FindPasswordLink(ctx, token)
}

// UsePasswordLink sets the password of the link's member.
func (m *Members) UsePasswordLink(ctx context.Context, token, password string) (PasswordLink, MemberResult, error) {
	link, err := m.Store.FindPasswordLink(ctx, token)
	if err != nil {
		return PasswordLink{}, MemberResult{}, err
	}
	if err := checkMemberPassword(password); err != nil {
		return link, MemberResult{}, err
	}
	sealed, err := m.Mailbox.SealMail([]byte(password), MailContext(link.Tenant, link.Localpart))
	if err != nil {
		return link, MemberResult{}, err
	}
	operation, err := m.Store.UsePasswordLink(ctx, token, sealed)
	if err != nil {
		return link, MemberResult{}, err
	}
	_, done, err := await(ctx, m.Store, m.Wait, link.Tenant, operation)
	return link, MemberResult{UserID: link.Localpart.UserID(link.Server), Done: done}, err
}

// MailContext binds a sealed password to the member it is for, so that a row cannot be moved to another.
func MailContext(id tenant.ID, who tenant.Localpart) []byte {
	return []byte("member " + string(id) + " " + string(who))
}

func (m *Members) withPassword(ctx context.Context, actor Actor, password string, r MemberRequest) (MemberResult, error) {
	server, err := authorize(ctx, m.Store, actor, r.Tenant, ManageMembers)
	if err != nil {
		return MemberResult{}, err
	}
	generated := ""
	if password == "" {
		generated = GeneratePassword()
		password = generated
	}
	if err := checkMemberPassword(password); err != nil {
		return MemberResult{}, err
	}
	r.Actor = actor
	if r.Sealed, err = m.Mailbox.SealMail([]byte(password), MailContext(r.Tenant, r.Localpart)); err != nil {
		return MemberResult{}, err
	}
	return m.request(ctx, server, r, generated)
}

func (m *Members) request(ctx context.Context, server Server, r MemberRequest, generated string) (MemberResult, error) {
	operation, err := m.Store.RequestMember(ctx, r)
	if err != nil {
		return MemberResult{}, err
	}
	_, done, err := await(ctx, m.Store, m.Wait, r.Tenant, operation)
	if err != nil {
		return MemberResult{}, err
	}
	return MemberResult{UserID: r.Localpart.UserID(server.ServerName), Password: generated, Done: done}, nil
}

// Homeservers keep passwords as bcrypt hashes, which take 72 bytes; Dendrite answers a longer one with an error of its own.
func checkMemberPassword(p string) error {
	switch {
	case utf8.RuneCountInString(p) < 10:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.member_short", Field: "password"}
	case len(p) > 72:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.long", Field: "password"}
	}
	return nil
}

// GeneratePassword draws twenty letters and digits without those that look alike: 114 bits, four groups to read out.
func GeneratePassword() string {
	const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	b := make([]byte, 0, 23)
	for i := range 20 {
		if i > 0 && i%5 == 0 {
			b = append(b, '-')
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			panic("controlplane: no randomness: " + err.Error())
		}
		b = append(b, letters[n.Int64()])
	}
	return string(b)
}
