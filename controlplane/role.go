package controlplane

import (
	"context"
	"slices"

	"hafen/tenant"
)

// Role is what somebody is on a server.
type Role string

// The roles. A server has one owner, who ordered it and pays; the others are colleagues the owner invited.
const (
	Owner         Role = "owner"
	Administrator Role = "administrator"
	MemberManager Role = "member_manager"
	Billing       Role = "billing"
	ReadOnly      Role = "read_only"
)

// Roles lists those a colleague may have.
var Roles = []Role{Administrator, MemberManager, Billing, ReadOnly}

// Permission is something a role may do on a server.
type Permission string

// The permissions.
const (
	See              Permission = "see" // state, usage, address
	SeeMembers       Permission = "see_members"
	ManageMembers    Permission = "manage_members"
	AppointAdmins    Permission = "appoint_admins" // of the homeserver itself; and to change their accounts
	ManageContent    Permission = "manage_content" // rooms, media, notices
	ManageSettings   Permission = "manage_settings"
	ManageBilling    Permission = "manage_billing" // plan, payment
	ManageColleagues Permission = "manage_colleagues"
	DeleteServer     Permission = "delete_server"
)

// Permissions lists them all.
var Permissions = []Permission{
	See, SeeMembers, ManageMembers, AppointAdmins, ManageContent, ManageSettings, ManageBilling, ManageColleagues, DeleteServer,
}

var permissions = map[Role][]Permission{
	Owner:         Permissions,
	Administrator: {See, SeeMembers, ManageMembers, AppointAdmins, ManageContent, ManageSettings},
	MemberManager: {See, SeeMembers, ManageMembers},
	Billing:       {See, ManageBilling},
	ReadOnly:      {See, SeeMembers},
}

// May reports whether the role has the permission. An unknown role has none.
func (r Role) May(p Permission) bool { return slices.Contains(permissions[r], p) }

// ServerFinder finds a server for somebody: the Fault tenant.unknown unless they own it or have a role on it. Account "" is
// an operator, who finds all of them.
type ServerFinder interface {
	FindServer(ctx context.Context, account string, id tenant.ID) (Server, error)
}

// authorize finds a server for an actor who wants to do something to it. Without any role on it, it is unknown; with one
// that does not allow this, it is the Fault role.forbidden. Operators may do everything.
func authorize(ctx context.Context, store ServerFinder, actor Actor, id tenant.ID, p Permission) (Server, error) {
	server, err := store.FindServer(ctx, scope(actor), id)
	if err != nil {
		return Server{}, err
	}
	if !actor.Operator && !server.Role.May(p) {
		return Server{}, &tenant.Fault{Kind: tenant.Forbidden, Code: "role.forbidden"}
	}
	return server, nil
}

// mayChange refuses an account with power over the homeserver to whoever may not give such power: a new password for it would
// be a way to that power.
func mayChange(actor Actor, server Server, m Member) error {
	if !m.Admin && !m.ServerAdmin || actor.Operator || server.Role.May(AppointAdmins) {
		return nil
	}
	return &tenant.Fault{Kind: tenant.Forbidden, Code: "member.is_admin"}
}
