//go:build crash

package main

import (
	"fmt"
	"os"
	"syscall"

	"hafen/tenant"
)

// atStep kills this process as kill -9 does, at the step that HAFEN_CRASH_AT names: "create_database" before it acts,
// "create_database+" after it has acted and before that is recorded. Only a build with the tag crash has it.
func atStep(step tenant.Step, acted bool) {
	name := string(step)
	if acted {
		name += "+"
	}
	if os.Getenv("HAFEN_CRASH_AT") != name {
		return
	}
	fmt.Fprintln(os.Stderr, "crashing at", name)
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // SIGKILL is on its way
}
