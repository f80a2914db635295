//go:build !crash

package main

import "hafen/tenant"

// atStep is where a build for crash tests ends the process; see step_crash.go.
var atStep func(step tenant.Step, acted bool)
