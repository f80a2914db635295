package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"hafen/tenant"
)

// policy is the content security policy of every page: nothing but our own files, no inline script or style, no framing, and
// forms that post to us alone. Images from data: are the small marks in our style sheet.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"

// paying is the policy of a site whose forms lead to where one pays: browsers look at where a form's answer redirects to.
func paying(origins []string) string {
	return strings.Replace(policy, "form-action 'self'", strings.Join(append([]string{"form-action 'self'"}, origins...), " "), 1)
}

// setHeaders sets what every answer carries.
func (s *Server) setHeaders(r *request) {
	h := r.Response().Header()
	h.Set("Content-Security-Policy", paying(s.PaymentOrigins))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers older than frame-ancestors
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()")
	h.Set("X-Request-Id", r.id)
	h.Set("Vary", "Cookie, Accept-Language")
	// Pages name servers, members and addresses; what is on a shared screen must not come back with the back button.
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	if r.route.nature.has(token) {
		// The address holds a secret, so nobody gets it as a referrer, not even we. Not "no-referrer": that makes browsers send
		// "Origin: null" with the page's own form (Fetch, "append a request Origin header"), and those without Sec-Fetch-Site
		// could no longer be told from a stranger's.
		h.Set("Referrer-Policy", "strict-origin")
	}
	// In trial mode the host is a name every machine has (hafen.localhost): pinning it to https would outlive the trial.
	if r.secure && !s.Trial {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// readConnection finds out where a request comes from. Over the Unix socket that is what the edge says: it replaces these
// headers, and an honest chain has the client last. Over TCP there is no edge, so nothing anybody says is believed.
func (r *request) readConnection() {
	remote := r.Request().RemoteAddr
	if host, _, err := net.SplitHostPort(remote); err == nil {
		r.address, r.secure = host, r.Request().TLS != nil
		return
	}
	r.secure = r.Request().Header.Get("X-Forwarded-Proto") == "https"
	chain := r.Request().Header.Values("X-Forwarded-For")
	if len(chain) == 0 {
		return
	}
	hops := strings.Split(chain[len(chain)-1], ",")
	if address, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
		r.address = address.Unmap().WithZone("").String()
	}
}

// checkHost refuses requests for any other name than ours, so that no page is ever shown in a stranger's origin (DNS
// rebinding). The port is left open: the edge's may differ from the public one.
func (s *Server) checkHost(r *request) error {
	if hostname(r.Request().Host) != s.host {
		return faultStatus(http.StatusMisdirectedRequest)
	}
	return nil
}

func hostname(hostport string) string {
	u := url.URL{Host: hostport}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}

// checkOrigin refuses what another site makes a browser send. Tenants live on names below ours, so "same site" is a
// stranger here: the origin must be the same. net/http's own check lets requests through that carry neither header, for
// clients that are no browsers; we have none, so they are refused too.
func (s *Server) checkOrigin(r *request) error {
	switch r.Request().Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	refused := &tenant.Fault{Kind: tenant.Forbidden, Code: "request.foreign"}
	if err := s.crossOrigin.Check(r.Request()); err != nil {
		refused.Err = err
		return refused
	}
	origin, fetch := r.Request().Header.Get("Origin"), r.Request().Header.Get("Sec-Fetch-Site")
	switch {
	case origin == r.origin():
		return nil
	case fetch == "same-origin" && (origin == "" || origin == "null"):
		return nil // a privacy setting hides the origin; no page can set the other header
	default:
		return refused
	}
}

// origin is ours as the browser sees it.
func (r *request) origin() string {
	if r.secure {
		return "https://" + r.Request().Host
	}
	return "http://" + r.Request().Host
}
