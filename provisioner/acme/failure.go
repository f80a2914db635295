package acme

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-acme/lego/v4/acme"

	"hafen/tenant"
)

const (
	// Without a Retry-After: Let's Encrypt's limits refill by the hour and slower.
	rateLimitPause = time.Hour
	// Let's Encrypt allows five failed validations of a name in an hour and refills one every twelve minutes.
	// letsencrypt.org/docs/rate-limits, "Authorization Failures per Hostname per Account".
	failedValidationPause = 12 * time.Minute

	problemPrefix = "urn:ietf:params:acme:error:"
)

// FailureCodes are all codes Issue can fail with. Each has a sentence in the message files, key "failure."+code.
var FailureCodes = []string{
	"acme.rate_limited", // retry; After says when
	"acme.unavailable",  // retry; the authority is down, unreachable or slow
	"acme.connection",   // retry; it could not reach the name's address
	"acme.dns",          // customer; it could not resolve the name
	"acme.caa",          // customer; CAA records forbid it
	"acme.unauthorized", // customer; it reached another server than ours
	"acme.validation",   // customer; any other failed validation
	"acme.rejected",     // stop; it does not issue for this name
	"acme.account",      // stop; our account is blocked, or new terms wait to be accepted
	"acme.refused",      // stop; any other refusal
}

// validationError is the authority's verdict on a name, apart from the problems it has with our requests: the same
// type means another thing there ("unauthorized": the name's web server is not ours; of a request: our account is not welcome).
type validationError struct {
	method  Method
	problem acme.ProblemDetails
}

func (e *validationError) Error() string {
	return fmt.Sprintf("validation by %s failed: %s: %s", e.method, strings.TrimPrefix(e.problem.Type, problemPrefix), e.problem.Detail)
}

// worthAnotherMethod holds where the other method takes another way: other port, other protocol. A name that cannot be
// resolved or must not be issued for fails by every method, and each try counts against the limit on failed validations.
func worthAnotherMethod(err error) bool {
	failed, ok := errors.AsType[*validationError](err)
	if !ok {
		return false
	}
	switch kindOf(failed.problem) {
	case "dns", "caa", "rateLimited", "rejectedIdentifier":
		return false
	}
	return true
}

// failure sorts an error for the reconcile loop. after is the Retry-After of the authority's last answer.
func failure(err error, after time.Duration) error {
	if _, ok := errors.AsType[*tenant.Failure](err); ok {
		return err // a port said it better
	}
	if failed, ok := errors.AsType[*validationError](err); ok {
		return validationFailure(err, kindOf(failed.problem), after)
	}
	problem, ok := errors.AsType[*acme.ProblemDetails](err)
	if !ok {
		return otherFailure(err, after)
	}
	kind := kindOf(*problem)
	switch {
	case kind == "rateLimited" || problem.HTTPStatus == http.StatusTooManyRequests:
		return rateLimited(err, after)
	case kind == "caa":
		return &tenant.Failure{Disposition: tenant.WaitForCustomer, Code: "acme.caa", Err: err}
	case kind == "dns":
		return &tenant.Failure{Disposition: tenant.WaitForCustomer, Code: "acme.dns", Err: err}
	case kind == "rejectedIdentifier" || kind == "unsupportedIdentifier":
		return &tenant.Failure{Disposition: tenant.Stop, Code: "acme.rejected", Err: err}
	case kind == "unauthorized" || kind == "userActionRequired" || kind == "externalAccountRequired" || kind == "invalidContact" ||
		kind == "unsupportedContact":
		return &tenant.Failure{Disposition: tenant.Stop, Code: "acme.account", Err: err}
	case kind == "serverInternal" || kind == "badNonce" || kind == "accountDoesNotExist" || kind == "orderNotReady" || problem.HTTPStatus >= 500:
		return &tenant.Failure{Disposition: tenant.Retry, Code: "acme.unavailable", After: after, Err: err}
	}
	return &tenant.Failure{Disposition: tenant.Stop, Code: "acme.refused", Err: err}
}

func validationFailure(err error, kind string, after time.Duration) error {
	switch kind {
	case "rateLimited":
		return rateLimited(err, after)
	case "serverInternal":
		return &tenant.Failure{Disposition: tenant.Retry, Code: "acme.unavailable", After: after, Err: err}
	case "connection", "tls":
		// The records were checked before the order, so the address it could not reach is ours, or an old one in a cache.
		return &tenant.Failure{Disposition: tenant.Retry, Code: "acme.connection", After: failedValidationPause, Err: err}
	case "dns", "caa", "unauthorized":
		return &tenant.Failure{Disposition: tenant.WaitForCustomer, Code: "acme." + kind, Err: err}
	}
	return &tenant.Failure{Disposition: tenant.WaitForCustomer, Code: "acme.validation", Err: err}
}

// otherFailure is one without a problem document: of the network, of a proxy in between, or of a port.
func otherFailure(err error, after time.Duration) error {
	if _, ok := errors.AsType[*portError](err); ok {
		return err
	}
	return &tenant.Failure{Disposition: tenant.Retry, Code: "acme.unavailable", After: after, Err: err}
}

func rateLimited(err error, after time.Duration) error {
	if after == 0 {
		after = rateLimitPause
	}
	return &tenant.Failure{Disposition: tenant.Retry, Code: "acme.rate_limited", After: after, Err: err}
}

// kindOf is the problem's type without its prefix. A compound problem has the type of its first subproblem that says more
// than the whole does (RFC 8555 section 6.7.1).
func kindOf(p acme.ProblemDetails) string {
	for _, sub := range p.SubProblems {
		switch kind := strings.TrimPrefix(sub.Type, problemPrefix); kind {
		case "rateLimited", "caa", "dns", "rejectedIdentifier":
			return kind
		}
	}
	return strings.TrimPrefix(p.Type, problemPrefix)
}

func isProblem(err error, kind string) bool {
	problem, ok := errors.AsType[*acme.ProblemDetails](err)
	return ok && kindOf(*problem) == kind
}

// portError marks an error of the store, which is not the authority's.
type portError struct {
	doing string
	err   error
}

func (e *portError) Error() string { return e.doing + ": " + e.err.Error() }
func (e *portError) Unwrap() error { return e.err }
