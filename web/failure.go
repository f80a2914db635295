package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"hafen/templates"
	"hafen/tenant"
)

// fail answers for everything that ended in an error: the only place where errors become answers.
func (s *Server) fail(err error, c echo.Context) {
	r := requestOf(c)
	if c.Response().Committed {
		// Too late for an answer. The connection breaks off, or half a file would look like a whole one.
		s.Log.ErrorContext(r.ctx(), "failed after the answer began", "request", r.id, "route", r.route.path, "error", err)
		panic(http.ErrAbortHandler)
	}
	status, code := s.judge(r, err)
	vm := templates.Failure{Status: status, Code: code, RequestID: r.id, RetryAfter: retryAfter(status)}
	if vm.RetryAfter > 0 {
		c.Response().Header().Set("Retry-After", strconv.Itoa(int(vm.RetryAfter.Seconds())))
	}
	if err := s.answerFailure(r, vm); err != nil {
		s.Log.ErrorContext(r.ctx(), "failure page not shown", "request", r.id, "error", err)
	}
}

func (s *Server) answerFailure(r *request, vm templates.Failure) error {
	if r.Request().Method == http.MethodHead || r.route.nature.has(stream) {
		return r.NoContent(vm.Status)
	}
	if r.htmx() {
		return r.render(vm.Status, templates.FailureFragment(r.locale, vm))
	}
	return r.render(vm.Status, templates.FailurePage(s.page(r), vm))
}

// judge finds status and code. What is our own fault, or our database's, is logged here, once, and told nobody else.
func (s *Server) judge(r *request, err error) (status int, code string) {
	if h, ok := errors.AsType[*echo.HTTPError](err); ok {
		return h.Code, "" // the router's own: unknown path, method not allowed; the status has its sentence
	}
	if errors.Is(err, r.ctx().Err()) {
		// The client went away while we worked; nobody reads this answer. 499 is nginx's word for it.
		return 499, ""
	}
	fault := tenant.FaultOf(err)
	status = httpStatus(fault.Kind)
	if status >= http.StatusInternalServerError {
		s.Log.ErrorContext(r.ctx(), "request failed", "request", r.id, "route", r.route.path, "error", err)
	}
	return status, fault.Code
}

func retryAfter(status int) time.Duration {
	switch status {
	case http.StatusTooManyRequests:
		return time.Minute
	case http.StatusServiceUnavailable:
		return 10 * time.Second
	default:
		return 0
	}
}

// faultStatus is an error for what HTTP itself refuses; the failure page has a sentence for each status.
func faultStatus(status int) error { return echo.NewHTTPError(status) }
