package controlplane

import (
	"context"

	"hafen/tenant"
)

// BulkResult is what came of doing one thing to several members. Nothing waits for the ends: the list shows them.
type BulkResult struct {
	Begun   int
	Refused map[tenant.Localpart]string // codes
}

// BulkDeactivate deactivates several members.
func (m *Members) BulkDeactivate(ctx context.Context, actor Actor, id tenant.ID, localparts []string) (BulkResult, error) {
	return m.bulk(ctx, actor, id, localparts, OperationDeactivate, deactivation{})
}

// BulkSignOut ends all sessions of several members.
func (m *Members) BulkSignOut(ctx context.Context, actor Actor, id tenant.ID, localparts []string) (BulkResult, error) {
	return m.bulk(ctx, actor, id, localparts, OperationSignOut, signingOut{})
}

// bulk records one operation each. One that is refused (busy, in another state by now, or an administrator's) keeps none of the
// others back.
func (m *Members) bulk(ctx context.Context, actor Actor, id tenant.ID, localparts []string, kind OperationKind, input any) (BulkResult, error) {
	result := BulkResult{Refused: map[tenant.Localpart]string{}}
	server, err := authorize(ctx, m.Store, actor, id, ManageMembers)
	if err != nil {
		return result, err
	}
	if err := checkBulk(localparts); err != nil {
		return result, err
	}
	for _, localpart := range localparts {
		who := tenant.Localpart(localpart)
		err := m.mayChange(ctx, actor, server, who)
		if err == nil {
			_, err = m.Store.RequestMember(ctx, MemberRequest{Actor: actor, Tenant: id, Localpart: who, Kind: kind, Input: input})
		}
		switch fault := tenant.FaultOf(err); {
		case err == nil:
			result.Begun++
		case fault.Kind == tenant.Conflict && fault.Code != "status.not_active" || fault.Kind == tenant.NotFound, fault.Code == "member.is_admin":
			result.Refused[who] = fault.Code
		default:
			return result, err
		}
	}
	return result, nil
}

// checkBulk bounds a selection to what a page shows.
func checkBulk(localparts []string) error {
	switch {
	case len(localparts) == 0:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "members.none", Field: "who"}
	case len(localparts) > MembersPerPage:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "members.many", Field: "who"}
	}
	for _, localpart := range localparts {
		if _, err := tenant.ParseLocalpart(localpart); err != nil {
			return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"}
		}
	}
	return nil
}
