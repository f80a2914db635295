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
// end. A password travels sealed to the control plane's public key: the web role cannot read it back. What the homeserver
// itself says of its accounts reaches the rows through [MemberSync].
type Members struct{ MembersConfig }

// MembersConfig is what Members needs.
type MembersConfig struct {
	Store   MemberStore
	Mailbox Mailbox
	Texts   MailTexts        // of the mail with a set-password link
	Wait    time.Duration    // how long a request waits for its operation; OperationWait when zero
	Now     func() time.Time // optional, for tests
}

// Mailbox seals a secret so that only the control plane can open it.
type Mailbox interface {
	SealMail(plaintext, context []byte) ([]byte, error)
}

// MemberStore keeps members and what is to be done to them.
type MemberStore interface {
	ServerFinder
	MemberReader
	OperationRequests
	AttemptStore
	PasswordLinks
	// RequestMember records an operation and its job. A create or reactivate reserves the seat in the same transaction:
	// faults seats.full, member.exists, member.unknown, member.busy, member.state, status.not_active.
	RequestMember(ctx context.Context, o MemberRequest) (operation string, err error)
}

// MemberReader finds members.
type MemberReader interface {
	SearchMembers(ctx context.Context, id tenant.ID, q MemberQuery) (MemberPage, error)
	// FindMember finds one: the Fault member.unknown when there is none.
	FindMember(ctx context.Context, id tenant.ID, who tenant.Localpart) (Member, error)
	// EachMember gives all of them, by name, one at a time: an export holds none of them in memory.
	EachMember(ctx context.Context, id tenant.ID, give func(Member) error) error
	// ForgetMember removes the row of a member whose account is gone from the homeserver; otherwise the Fault member.state.
	ForgetMember(ctx context.Context, actor Actor, id tenant.ID, who tenant.Localpart) error
}

// Member is one account with a seat.
type Member struct {
	Localpart   tenant.Localpart
	UserID      string
	DisplayName string
	Admin       bool   // the one that came with the order
	ServerAdmin bool   // may use the homeserver's own administration
	State       string // reserved, active, deactivated
	Locked      bool
	Erased      bool
	Pending     OperationKind // of the operation under way; "" for none
	FailedKind  OperationKind // of the last operation, when it failed
	Failed      string        // its code
	CreatedAt   time.Time
	SeenAt      *time.Time // nil when never, or not known
	MediaBytes  int64
	MissingAt   *time.Time // since when the homeserver does not know the account
}

// MembersPerPage is how many members a page of the list shows.
const MembersPerPage = 50

// MemberQuery says which members, in which order.
type MemberQuery struct {
	Search     string // within user name or display name, in any case
	State      string // one of MemberStates; "" for all
	Sort       string // one of MemberSorts; "" is by name
	Descending bool
	Page       int // from 1
}

// The states to filter by, and what to sort by.
var (
	MemberStates = []string{"active", "deactivated", "locked", "admin", "pending", "attention"}
	MemberSorts  = []string{"name", "created", "seen", "storage"}
)

// MemberPage is a page of members.
type MemberPage struct {
	Members  []Member
	Total    int            // that match
	ByState  map[string]int // of all, by MemberStates; "" is their sum
	SyncedAt *time.Time     // when the homeserver's own list was last held against ours
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
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Members{c}
}

// Search gives one page of the members.
func (m *Members) Search(ctx context.Context, actor Actor, id tenant.ID, q MemberQuery) (MemberPage, error) {
	if _, err := authorize(ctx, m.Store, actor, id, SeeMembers); err != nil {
		return MemberPage{}, err
	}
	q.Page = max(q.Page, 1)
	return m.Store.SearchMembers(ctx, id, q)
}

// Find gives one member.
func (m *Members) Find(ctx context.Context, actor Actor, id tenant.ID, localpart string) (Member, error) {
	if _, err := authorize(ctx, m.Store, actor, id, SeeMembers); err != nil {
		return Member{}, err
	}
	return m.Store.FindMember(ctx, id, tenant.Localpart(localpart))
}

// Export gives all members, by name.
func (m *Members) Export(ctx context.Context, actor Actor, id tenant.ID, give func(Member) error) error {
	if _, err := authorize(ctx, m.Store, actor, id, SeeMembers); err != nil {
		return err
	}
	return m.Store.EachMember(ctx, id, give)
}

// Add creates a member. Faults: seats.full, member.*, password.member_short, password.long.
func (m *Members) Add(ctx context.Context, actor Actor, id tenant.ID, n NewMember) (MemberResult, error) {
	who, err := tenant.ParseLocalpart(n.Localpart)
	if err != nil {
		return MemberResult{}, err
	}
	if err := checkDisplayName(n.DisplayName); err != nil {
		return MemberResult{}, err
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

// Reactivate takes a seat again, with a new generated password.
func (m *Members) Reactivate(ctx context.Context, actor Actor, id tenant.ID, localpart string) (MemberResult, error) {
	return m.withPassword(ctx, actor, "", MemberRequest{
		Tenant: id, Localpart: tenant.Localpart(localpart), Kind: OperationReactivate,
	})
}

// Deactivate ends a member's sessions and frees the seat. Their messages stay.
func (m *Members) Deactivate(ctx context.Context, actor Actor, id tenant.ID, localpart string) (MemberResult, error) {
	return m.change(ctx, actor, id, localpart, OperationDeactivate, deactivation{})
}

// Erase deactivates a member for good and removes what the homeserver can: profile, uploads, and their messages from the
// sight of whoever joins later. typed must be the member's user name or Matrix id.
func (m *Members) Erase(ctx context.Context, actor Actor, id tenant.ID, localpart, typed string) (MemberResult, error) {
	who := tenant.Localpart(localpart)
	server, err := m.authorizeOn(ctx, actor, id, who)
	if err != nil {
		return MemberResult{}, err
	}
	if typed != localpart && typed != who.UserID(server.ServerName) {
		return MemberResult{}, &tenant.Fault{Kind: tenant.Invalid, Code: "member.name_differs", Field: "name"}
	}
	return m.change(ctx, actor, id, localpart, OperationDeactivate, deactivation{Erase: true})
}

// SetAdmin makes a member an administrator of the homeserver itself, or no longer one.
func (m *Members) SetAdmin(ctx context.Context, actor Actor, id tenant.ID, localpart string, admin bool) (MemberResult, error) {
	if _, err := authorize(ctx, m.Store, actor, id, AppointAdmins); err != nil {
		return MemberResult{}, err
	}
	return m.change(ctx, actor, id, localpart, OperationSetAdmin, adminship{Admin: admin})
}

// Lock keeps a member out for a while, or lets them in again. The seat stays theirs.
func (m *Members) Lock(ctx context.Context, actor Actor, id tenant.ID, localpart string, locked bool) (MemberResult, error) {
	return m.change(ctx, actor, id, localpart, OperationLock, locking{Locked: locked})
}

// SignOut ends the named sessions of a member, or all when none is named.
func (m *Members) SignOut(ctx context.Context, actor Actor, id tenant.ID, localpart string, devices ...string) (MemberResult, error) {
	return m.change(ctx, actor, id, localpart, OperationSignOut, signingOut{Devices: devices})
}

// Forget removes a member from the list whose account the homeserver does not have.
func (m *Members) Forget(ctx context.Context, actor Actor, id tenant.ID, localpart string) error {
	who := tenant.Localpart(localpart)
	if _, err := m.authorizeOn(ctx, actor, id, who); err != nil {
		return err
	}
	return m.Store.ForgetMember(ctx, actor, id, who)
}

// authorizeOn is authorize for a change of one member's account: the Fault member.is_admin where it takes more than ManageMembers.
func (m *Members) authorizeOn(ctx context.Context, actor Actor, id tenant.ID, who tenant.Localpart) (Server, error) {
	server, err := authorize(ctx, m.Store, actor, id, ManageMembers)
	if err != nil {
		return Server{}, err
	}
	return server, m.mayChange(ctx, actor, server, who)
}

func (m *Members) mayChange(ctx context.Context, actor Actor, server Server, who tenant.Localpart) error {
	if actor.Operator || server.Role.May(AppointAdmins) {
		return nil
	}
	member, err := m.Store.FindMember(ctx, server.ID, who)
	if err != nil {
		return err
	}
	return mayChange(actor, server, member)
}

func (m *Members) change(ctx context.Context, actor Actor, id tenant.ID, localpart string, kind OperationKind, input any) (MemberResult, error) {
	server, err := m.authorizeOn(ctx, actor, id, tenant.Localpart(localpart))
	if err != nil {
		return MemberResult{}, err
	}
	r := MemberRequest{Actor: actor, Tenant: id, Localpart: tenant.Localpart(localpart), Kind: kind, Input: input}
	return m.request(ctx, server, r, "")
}

func (m *Members) withPassword(ctx context.Context, actor Actor, password string, r MemberRequest) (MemberResult, error) {
	server, err := authorize(ctx, m.Store, actor, r.Tenant, ManageMembers)
	if err == nil && r.Kind != OperationCreate {
		err = m.mayChange(ctx, actor, server, r.Localpart)
	}
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

// MailContext binds a sealed password to the member it is for, so that a row cannot be moved to another.
func MailContext(id tenant.ID, who tenant.Localpart) []byte {
	return []byte("member " + string(id) + " " + string(who))
}

// Longest display name, in characters: what fits a line of a phone twice.
const maxDisplayName = 100

func checkDisplayName(name string) error {
	if utf8.RuneCountInString(name) > maxDisplayName {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "member.display_name", Field: "display_name"}
	}
	return nil
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
