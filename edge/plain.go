package edge

import (
	"errors"
	"net/http"
	"strings"

	"hafen/tenant"
)

const challengePath = "/.well-known/acme-challenge/"

// servePlain answers on HTTP: certificate challenges, the dashboard of a trial, and the way to HTTPS.
func (e *Edge) servePlain(w http.ResponseWriter, r *http.Request) {
	host, ok := hostOf(r)
	if !ok {
		http.Error(w, "Unknown host", http.StatusNotFound)
		return
	}
	if token, found := strings.CutPrefix(r.RequestURI, challengePath); found && r.Method == http.MethodGet {
		e.answerChallenge(w, r, host, token)
		return
	}
	_, known := e.index.Load().sites[host]
	switch {
	case host == e.config.Dashboard.Host && e.config.Dashboard.PlainHTTP:
		e.serveDashboard(w, r)
	case (known || host == e.config.Dashboard.Host) && strings.HasPrefix(r.RequestURI, "/") && printable(r.RequestURI):
		allowOrigins(w.Header())
		w.Header().Set("Location", e.url(host, r.RequestURI))
		w.WriteHeader(http.StatusPermanentRedirect)
	default:
		http.Error(w, "Unknown host", http.StatusNotFound)
	}
}

func (e *Edge) answerChallenge(w http.ResponseWriter, r *http.Request, host tenant.Domain, token string) {
	if !wellFormedToken(token) {
		http.Error(w, "No such challenge", http.StatusNotFound)
		return
	}
	challenge, err := e.challenges.find(r.Context(), host, token, r.RemoteAddr)
	switch {
	case errors.Is(err, ErrNoChallenge):
		http.Error(w, "No such challenge", http.StatusNotFound)
	case errors.Is(err, errChallengeRate):
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Too many requests", http.StatusTooManyRequests)
	case err != nil:
		e.log.Error("edge could not look up a challenge", "host", host, "error", err)
		http.Error(w, "Please try again", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/octet-stream") // RFC 8555 section 8.3
		w.Write([]byte(challenge.KeyAuthorization))
	}
}
