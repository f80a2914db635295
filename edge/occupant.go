package edge

import (
	"sync/atomic"

	"hafen/tenant"
)

// occupant is what the edge remembers of a tenant from one snapshot to the next: what is under way.
type occupant struct {
	backend  atomic.Pointer[string] // where its homeserver listens now
	meter    meter
	inFlight atomic.Int64
	spooled  atomic.Int64 // bytes of other servers' large requests under way
	waiting  waitingRoom
}

// occupants holds them by tenant. Only the follower touches it.
type occupants struct {
	all        map[tenant.ID]*occupant
	remembered map[tenant.ID][]acceptance // from before the start, of tenants that are not known yet
}

// pending is all that was accepted and not measured yet.
func (o *occupants) pending() []entry {
	var list []entry
	add := func(id tenant.ID, accepted []acceptance) {
		for _, a := range accepted {
			list = append(list, entry{id, a.bytes, a.at})
		}
	}
	for id, t := range o.all {
		add(id, t.meter.pending())
	}
	for id, accepted := range o.remembered {
		add(id, accepted)
	}
	return list
}

// update creates, configures and forgets occupants so that there is exactly one for each tenant with a route.
// Requests of a forgotten one keep their pointer and finish.
func (o *occupants) update(s Snapshot) map[tenant.ID]*occupant {
	use := byTenant(s.Usage)
	next := make(map[tenant.ID]*occupant, len(s.Routes))
	for _, route := range s.Routes {
		t, known := o.all[route.Tenant]
		if !known {
			t = &occupant{}
			t.meter.remember(o.remembered[route.Tenant])
			delete(o.remembered, route.Tenant)
		}
		t.backend.Store(&route.Backend)
		t.meter.setQuota(route.StorageBytes)
		t.meter.setUse(use[route.Tenant])
		next[route.Tenant] = t
	}
	o.all = next
	return next
}

// measure takes over new measurements alone.
func (o *occupants) measure(list []tenant.StorageUse) {
	use := byTenant(list)
	for id, t := range o.all {
		t.meter.setUse(use[id])
	}
}

func byTenant(list []tenant.StorageUse) map[tenant.ID]tenant.StorageUse {
	use := make(map[tenant.ID]tenant.StorageUse, len(list))
	for _, u := range list {
		use[u.Tenant] = u
	}
	return use
}

// enter counts a request in, unless there are already limit of them.
func (o *occupant) enter(limit int64) bool {
	if o.inFlight.Add(1) > limit {
		o.inFlight.Add(-1)
		return false
	}
	return true
}

func (o *occupant) leave() { o.inFlight.Add(-1) }
