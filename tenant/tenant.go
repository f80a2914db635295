// Package tenant is the domain of Hafen: one tenant is one Matrix homeserver with all that belongs to it.
//
// The package is pure. It imports the standard library only, does no input or output, and reads no clock: everything it
// decides, it decides from its arguments. The parts:
//
//   - identity: [ID], [Domain], [Localpart], each made only by its Parse or New function;
//   - what is sold: [Plan] and its [Quota];
//   - what a customer sees: [Status], with one transition table;
//   - what is true: [Condition];
//   - reconciling: [Spec] (desired), [Observed], and [Diff], which turns the two into a list of [Step];
//   - what the edge needs: [Route] and [Certificate];
//   - how things go wrong: [Fault] for the screen, [Failure] for the reconcile loop.
//
// A crash leaves nothing behind here, for there is no state here.
package tenant
