// Package controlplane is what Hafen does: its use cases and its loops.
//
// A use case records an intent in one transaction (rows, job and audit entry together) and returns; the loops make it true,
// restartably:
//
//   - [Reconciler] observes a tenant, diffs, applies, and records; one lease per tenant, so two processes never act on the
//     same one, and a killed one's work is taken up when its lease has run out;
//   - [Sweeper] wakes what nobody works on: drift, expired leases, due retries, ended grace periods;
//   - [DomainWatcher] checks own domains until they are proven; [Meter] measures storage; [OperationWorker] acts on homeservers.
//
// Everything outside comes through small ports declared beside their consumer. Errors for people are [tenant.Fault], errors
// for the loops [tenant.Failure]. A crash leaves rows that a later run finds and finishes.
package controlplane

import "hafen/tenant"

// Actor is who asks for a use case.
type Actor struct {
	Account  string // account id
	Email    string
	Operator bool
}

// errOperator is given when a customer asks for what only operators may do.
func errOperator() error { return &tenant.Fault{Kind: tenant.Forbidden, Code: "operator.only"} }
