package web

import (
	"net/http"

	"hafen/tenant"
)

// httpStatus is the only place where a kind of fault becomes an HTTP status.
func httpStatus(kind tenant.Kind) int {
	switch kind {
	case tenant.Invalid:
		return http.StatusUnprocessableEntity
	case tenant.NotFound:
		return http.StatusNotFound
	case tenant.Conflict, tenant.OverQuota:
		return http.StatusConflict
	case tenant.Unauthenticated:
		return http.StatusUnauthorized
	case tenant.Forbidden:
		return http.StatusForbidden
	case tenant.PaymentRequired:
		return http.StatusPaymentRequired
	case tenant.TooMany:
		return http.StatusTooManyRequests
	case tenant.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// isMistake reports whether a fault is something the person can mend in the form they sent. Such a form comes back filled
// in, with status 422, whatever the kind: htmx swaps that status and no other error.
func isMistake(f *tenant.Fault) bool {
	switch f.Kind {
	case tenant.Invalid, tenant.Conflict, tenant.OverQuota, tenant.TooMany:
		return true
	case tenant.Unauthenticated, tenant.Forbidden:
		// A wrong password in a form; without a field it is about the session.
		return f.Field != ""
	default:
		return false
	}
}
