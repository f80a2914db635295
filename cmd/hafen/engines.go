package main

import (
	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/dendrite"
	"hafen/tenant/homeserver/synapse"
)

// engines are the homeserver implementations there are.
func engines() []homeserver.Engine { return []homeserver.Engine{synapse.Engine{}, dendrite.Engine{}} }

func descriptions() map[tenant.EngineName]homeserver.Description {
	all := map[tenant.EngineName]homeserver.Description{}
	for _, engine := range engines() {
		d := engine.Describe()
		all[d.Name] = d
	}
	return all
}
