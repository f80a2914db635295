package templates

import (
	"strconv"
	"time"
)

// Failure is what went wrong with a request. Code may be an error code of the
// domain; without one (or with an unknown one) the status speaks: `http.<Status>`.
type Failure struct {
	Status     int
	Code       string
	RequestID  string
	RetryAfter time.Duration // shown with 429 and 503 when set
}

// failureTitle speaks of the status; failureText of the code, where we have words for it.
func failureTitle(l Locale, vm Failure) string {
	if vm.Status == 0 {
		return l.T("failure_page.title")
	}
	return l.Coded("http.title", strconv.Itoa(vm.Status), nil)
}

func failureText(l Locale, vm Failure) string {
	if vm.Code != "" && l.Has("error."+vm.Code) {
		return l.Error(vm.Code, nil)
	}
	return l.Coded("http", strconv.Itoa(vm.Status), nil)
}
