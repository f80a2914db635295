package web

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"hafen/tenant"
)

// receiveStripe takes an event of Stripe's. It answers 200 only when the event is recorded: anything else makes Stripe send it
// again, for three days. Who forges one learns that it is not good, and nothing else.
func (s *Server) receiveStripe(r *request) error {
	if s.Webhook == nil {
		return faultStatus(http.StatusNotFound)
	}
	kind, _, err := mime.ParseMediaType(r.Request().Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return r.NoContent(http.StatusUnsupportedMediaType)
	}
	body, err := io.ReadAll(r.Request().Body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return r.NoContent(http.StatusRequestEntityTooLarge)
	}
	if err != nil {
		return r.NoContent(http.StatusBadRequest)
	}
	err = s.Webhook(r.ctx(), body, r.Request().Header.Get("Stripe-Signature"))
	if fault := tenant.FaultOf(err); err != nil && fault.Kind == tenant.Invalid {
		s.Log.WarnContext(r.ctx(), "webhook refused", "request", r.id, "why", fault.Code, "address", r.address)
		return r.NoContent(http.StatusBadRequest)
	}
	if err != nil {
		s.Log.ErrorContext(r.ctx(), "webhook not recorded; Stripe will send it again", "request", r.id, "error", err)
		return r.NoContent(http.StatusServiceUnavailable)
	}
	return r.NoContent(http.StatusOK)
}
