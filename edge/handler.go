package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"hafen/tenant"
)

// A homeserver's share of the edge: with a 30 s sync on each device, a thousand devices at once.
const maxInFlight = 1024

var methods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true,
	http.MethodPatch: true, http.MethodDelete: true, http.MethodOptions: true,
}

// serveTLS answers on HTTPS and on the federation port. peers says which of the two.
func (e *Edge) serveTLS(w http.ResponseWriter, r *http.Request, peers bool) {
	host, ok := hostOf(r)
	if !ok || r.TLS == nil || !strings.EqualFold(string(host), r.TLS.ServerName) {
		// A browser may reuse a connection for another name on the same certificate (RFC 9113 section 9.1.1); what is
		// decided by name must be asked for by name.
		e.refuse(w, r, misdirected)
		return
	}
	if host == e.config.Dashboard.Host && !peers {
		e.serveDashboard(w, r)
		return
	}
	s, known := e.index.Load().sites[host]
	if !known {
		e.refuse(w, r, notFound)
		return
	}
	t, allowed := readTarget(r.RequestURI)
	switch {
	case !allowed, s.discovery && t.api != wellKnown, peers && t.api != wellKnown && t.api != federationAPI && t.api != keyAPI:
		e.refuse(w, r, notFound)
	case !methods[r.Method]:
		e.refuse(w, r, notAllowed)
	case t.api == wellKnown:
		e.discover(w, r, s.route)
	default:
		e.serveMatrix(w, r, s, t)
	}
}

// serveMatrix forwards what the route allows.
func (e *Edge) serveMatrix(w http.ResponseWriter, r *http.Request, s site, t target) {
	peer := t.api == federationAPI || t.api == keyAPI
	shut, closed := e.closed(s.route, t, r.Method)
	switch {
	case peer && !federates(s.route):
		e.refuse(w, r, noFederation)
		return
	case peer && !welcome(r, s.route, t):
		e.refuse(w, r, noPartner)
		return
	case closed:
		e.refuse(w, r, shut)
		return
	case !peer && !(t.upload && writes(r.Method)) && s.tenant.meter.past(floor(s.route)) && restricts(t, r.Method):
		e.refuse(w, r, e.pastFloor(s.route))
		return
	case t.registration:
		e.refuse(w, r, noRegistration)
		return
	}
	if !s.tenant.enter(maxInFlight) {
		e.refuse(w, r, tooManyRequests)
		return
	}
	defer s.tenant.leave()
	p := &passage{backend: &s.tenant.backend, room: &s.tenant.waiting, target: t, route: s.route}
	if t.asksConfig(r.Method) {
		p.most = s.largest
	}
	switch {
	case t.upload && writes(r.Method):
		e.forwardUpload(w, r, s, p)
	case r.ContentLength > maxBody:
		e.refuse(w, r, tooLarge)
	case large(r):
		e.forwardLarge(w, r, s, p)
	default:
		e.forward(w, r, p)
	}
}

func (e *Edge) forwardUpload(w http.ResponseWriter, r *http.Request, s site, p *passage) {
	switch {
	case r.ContentLength > s.route.UploadBytes:
		e.refuse(w, r, e.tooLargeFor(s.route))
		return
	case !s.tenant.meter.fits(max(r.ContentLength, 0)): // spares the homeserver a question
		e.refuse(w, r, e.overStorage(s.route))
		return
	case !e.vouch(w, r, s):
		return
	}
	u, why := e.admit(s, w, r)
	if why != nil {
		e.refuse(w, r, *why)
		return
	}
	defer u.settle()
	p.body, p.upload = u.body, u
	e.forward(w, r, p)
}

// forward sends a request on, with a bound on its body, until the edge drains.
func (e *Edge) forward(w http.ResponseWriter, r *http.Request, p *passage) {
	if p.body == nil {
		p.body = e.metered(w, r, maxBody)
	}
	defer p.body.finish()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(e.cutoff, func() { cancel(errDraining) })()

	p.forwarder = e.forwarder
	p.fail = func(w http.ResponseWriter, _ *http.Request, err error) {
		e.explain(w, r, p, errors.Join(context.Cause(ctx), err))
	}
	guarded := r.WithContext(ctx)
	guarded.Body = p.body
	p.serve(w, guarded)
}

// explain answers for a request that failed on its way.
func (e *Edge) explain(w http.ResponseWriter, r *http.Request, p *passage, err error) {
	switch ours := p.body.failure(); {
	case errors.Is(ours, errTooLarge) && p.upload != nil:
		e.refuse(w, r, e.tooLargeFor(p.route))
	case errors.Is(ours, errTooLarge):
		e.refuse(w, r, tooLarge)
	case errors.Is(ours, errOverStorage):
		e.refuse(w, r, e.overStorage(p.route))
	case errors.Is(ours, errTooSlow):
		e.refuse(w, r, tooSlow)
	case errors.Is(ours, errSpoolFull):
		e.refuse(w, r, tooManyRequests)
	case errors.Is(err, errDraining):
		e.refuse(w, r, restarting)
	case errors.Is(ours, errClientLeft), r.Context().Err() != nil:
		// The client has left. net/http knows how to end such a request without a word.
		panic(http.ErrAbortHandler)
	case errors.Is(err, errAway), errors.Is(err, errCrowded):
		e.complain(p.room, "edge refuses requests: the homeserver is away", r, err)
		e.refuse(w, r, starting)
	default:
		e.complain(p.room, "edge forwards requests in vain", r, err)
		e.refuse(w, r, brokenBackend)
	}
}

// complain logs what is wrong with one backend, once in a while: whoever asks again and again must not fill the log.
func (e *Edge) complain(about *waitingRoom, what string, r *http.Request, err error) {
	if about.mayComplain(e.config.Now()) {
		e.log.Warn(what, "host", r.Host, "error", err)
	}
}

// hostOf reads the name a request is for, without its port. Ports are not compared: the outside may see other ones.
func hostOf(r *http.Request) (tenant.Domain, bool) {
	name, port, found := strings.Cut(r.Host, ":")
	if found && (len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return "", false
	}
	host, err := tenant.ParseDomain(name)
	if err != nil || !strings.EqualFold(string(host), name) {
		return "", false // blanks, a trailing dot: not what a handshake says
	}
	return host, true
}
