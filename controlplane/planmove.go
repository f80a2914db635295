package controlplane

import (
	"context"

	"hafen/tenant"
)

// PlanMove is what moving all servers of one version of a plan to another comes to.
type PlanMove struct {
	From, To PlanVersion
	Changes  []tenant.FieldChange
	Fits     []Server
	Misfits  []Misfit
}

// Misfit is a server that cannot be moved.
type Misfit struct {
	Server Server
	Code   string          // "waiting", "leaving", "account", or "" for Excess
	Excess []tenant.Excess // what must shrink first
}

// PreviewMove says what moving would do. Faults: plan.unknown, move.same.
func (p *Plans) PreviewMove(ctx context.Context, actor Actor, slug string, from, to tenant.PlanID) (PlanMove, error) {
	line, err := p.Find(ctx, actor, slug)
	if err != nil {
		return PlanMove{}, err
	}
	var move PlanMove
	var found [2]bool
	move.From, found[0] = line.Version(from)
	move.To, found[1] = line.Version(to)
	switch {
	case !found[0] || !found[1]:
		return PlanMove{}, &tenant.Fault{Kind: tenant.Invalid, Code: "plan.unknown", Field: "to"}
	case from == to:
		return PlanMove{}, &tenant.Fault{Kind: tenant.Invalid, Code: "move.same", Field: "to"}
	}
	now := p.Now()
	move.Changes = tenant.Changed(tenant.PlanFields, begun(move.From.Plan, now), begun(move.To.Plan, now))
	servers, err := p.Store.ListServersOn(ctx, from)
	if err != nil {
		return PlanMove{}, err
	}
	for _, server := range servers {
		if misfit, wrong := misfitOf(server, move.To.Plan); wrong {
			move.Misfits = append(move.Misfits, misfit)
		} else {
			move.Fits = append(move.Fits, server)
		}
	}
	return move, nil
}

func misfitOf(server Server, to tenant.Plan) (Misfit, bool) {
	misfit := Misfit{Server: server}
	extra := tenant.Quota{
		Seats: server.Quota.Seats - server.Plan.Quota.Seats, StorageBytes: server.Quota.StorageBytes - server.Plan.Quota.StorageBytes,
	}
	switch {
	case to.Account != "" && to.Account != server.Account:
		misfit.Code = "account"
	case server.Status == tenant.AwaitingPayment:
		misfit.Code = "waiting" // its order stands for a price that was agreed on
	case server.Status == tenant.Deleting:
		misfit.Code = "leaving"
	default:
		misfit.Excess = server.Usage.Exceeds(to.Quota.Plus(extra))
	}
	return misfit, misfit.Code != "" || len(misfit.Excess) > 0
}

// Move moves all servers of one version to another, each in a transaction of its own: a crash leaves some moved, and moving
// again moves the rest. While one does not fit, none is moved, unless fitting asks for those that do: the Fault
// move.misfits; PreviewMove names them. What it changes about the next bill is what the two versions differ in.
func (p *Plans) Move(ctx context.Context, actor Actor, slug string, from, to tenant.PlanID, fitting bool) (moved int, err error) {
	move, err := p.PreviewMove(ctx, actor, slug, from, to)
	if err != nil {
		return 0, err
	}
	if len(move.Misfits) > 0 && !fitting {
		return 0, &tenant.Fault{Kind: tenant.Conflict, Code: "move.misfits"}
	}
	for _, server := range move.Fits {
		err := p.Store.MoveServer(ctx, actor, server.ID, from, to)
		switch kind := tenant.FaultOf(err).Kind; {
		case err == nil:
			moved++
		case kind == tenant.OverQuota || kind == tenant.Conflict:
			// It has outgrown the version, or gone, since a moment ago; it shows among the rest of the version.
		default:
			return moved, err
		}
	}
	return moved, nil
}
