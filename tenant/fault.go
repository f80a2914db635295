package tenant

import (
	"errors"
	"time"
)

// Kind is what a failed request means to the one who made it. One file in web turns it into an HTTP status.
type Kind string

// The kinds of fault.
const (
	Invalid         Kind = "invalid"
	NotFound        Kind = "not_found"
	Conflict        Kind = "conflict"
	Unauthenticated Kind = "unauthenticated"
	Forbidden       Kind = "forbidden"
	PaymentRequired Kind = "payment_required"
	OverQuota       Kind = "over_quota"
	TooMany         Kind = "too_many" // rate limit
	Unavailable     Kind = "unavailable"
	Internal        Kind = "internal"
)

// Fault is an error for the screen. Code names the sentence in the message files (key "error."+Code); Field, when set,
// the form field it belongs to; Params fill the sentence's blanks and never hold secrets.
type Fault struct {
	Kind   Kind
	Code   string
	Field  string
	Params map[string]string
	Err    error // the cause, for the log only
}

func (f *Fault) Error() string {
	if f.Err != nil {
		return f.Code + ": " + f.Err.Error()
	}
	return f.Code
}

func (f *Fault) Unwrap() error { return f.Err }

// FaultOf finds the Fault in err, or makes an Internal one of it.
func FaultOf(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Kind: Internal, Code: "internal", Err: err}
}

// FaultsOf finds every Fault that was joined into err (errors.Join), in their order; an error without any is one, Internal.
func FaultsOf(err error) []*Fault {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []*Fault
		for _, one := range joined.Unwrap() {
			list = append(list, FaultsOf(one)...)
		}
		return list
	}
	if _, ok := err.(*Fault); !ok { //nolint:errorlint // each layer is looked at
		if inner := errors.Unwrap(err); inner != nil {
			return FaultsOf(inner)
		}
	}
	return []*Fault{FaultOf(err)}
}

// Disposition is what the reconcile loop does after a failed step.
type Disposition string

// The dispositions of a failure.
const (
	Retry           Disposition = "retry"             // with backoff; the fault is ours or passing
	Stop            Disposition = "stop"              // an operator must look
	WaitForCustomer Disposition = "wait_for_customer" // for example a DNS record that is missing
)

// Failure is an error for the loop. Code names a sentence a customer understands (key "failure."+Code); Err is for the
// operator. After, when set, is the earliest sensible time to retry, counted from now (a CA's Retry-After, say).
type Failure struct {
	Disposition Disposition
	Code        string
	After       time.Duration
	Err         error
}

func (f *Failure) Error() string {
	if f.Err != nil {
		return f.Code + ": " + f.Err.Error()
	}
	return f.Code
}

func (f *Failure) Unwrap() error { return f.Err }

// FailureOf finds the Failure in err, or makes a Retry of it with the code "unexpected".
func FailureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Disposition: Retry, Code: "unexpected", Err: err}
}
