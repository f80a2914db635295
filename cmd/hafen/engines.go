package main

import (
	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/dendrite"
)

// engines are the homeserver implementations there are.
func engines() []homeserver.Engine { return []homeserver.Engine{dendrite.Engine{}} }

func descriptions() map[tenant.EngineName]homeserver.Description {
	all := map[tenant.EngineName]homeserver.Description{}
	for _, engine := range engines() {
		d := engine.Describe()
		all[d.Name] = d
	}
	return all
}
