package templates

import "time"

// Failure is what went wrong with a request. Code may be an error code of the
// domain; without one (or with an unknown one) the status speaks: `http.<Status>`.
type Failure struct {
	Status     int
	Code       string
	RequestID  string
	RetryAfter time.Duration // shown with 429 and 503 when set
}
