package controlplane

import (
	"context"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Devices asks the homeserver which sessions a member has. From where, and with which program, is only for those who may end
// them: addresses are about people's whereabouts. Faults: server.unavailable, engine.unsupported.
func (m *Members) Devices(ctx context.Context, actor Actor, id tenant.ID, localpart string) ([]homeserver.Device, error) {
	server, err := authorize(ctx, m.Store, actor, id, SeeMembers)
	if err != nil {
		return nil, err
	}
	devices, err := ask[[]homeserver.Device](ctx, m.Store, m.Wait, OperationRequest{
		Actor: actor, Tenant: id, Kind: OperationListDevices, Member: tenant.Localpart(localpart),
	})
	if tenant.FaultOf(err).Code == "server.slow" {
		err = &tenant.Fault{Kind: tenant.Unavailable, Code: "server.unavailable"}
	}
	if !actor.Operator && !server.Role.May(ManageMembers) {
		for i := range devices {
			devices[i].SeenFrom, devices[i].UserAgent = "", ""
		}
	}
	return devices, err
}
