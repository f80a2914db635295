package edge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
)

const whoami = "/_matrix/client/v3/account/whoami"

// How much of a homeserver's refusal is passed on; it is a sentence.
const maxRefusal = 64 << 10

// vouch asks the homeserver whether it knows who sends an upload, before anything is reserved for it or read of it. What
// else the homeserver says is passed on as the answer to the upload. Synapse looks at a token only when it has the whole
// body, so without this a stranger could hold all of a tenant's space, and fill its disk, a byte a second.
func (e *Edge) vouch(w http.ResponseWriter, r *http.Request, s site) bool {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(e.cutoff, func() { cancel(errDraining) })()
	p := &passage{forwarder: e.forwarder, backend: &s.tenant.backend, room: &s.tenant.waiting, body: &meteredBody{}}
	response, err := p.RoundTrip(whoamiRequest(ctx, r))
	if err != nil {
		e.explain(w, r, p, errors.Join(context.Cause(ctx), err))
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	switch {
	case response.StatusCode == http.StatusOK:
		return true
	case err != nil || response.StatusCode < 400:
		e.refuse(w, r, brokenBackend)
	default:
		e.metrics.refused("token")
		answerUnread(w, r, response.StatusCode, body)
	}
	return false
}

// whoamiRequest carries what tells who somebody is. The homeserver notes the address of each who asks, so it must be theirs.
func whoamiRequest(ctx context.Context, r *http.Request) *http.Request {
	address := &url.URL{Scheme: "http", Opaque: whoami}
	if token := r.URL.Query().Get("access_token"); token != "" {
		address.RawQuery = url.Values{"access_token": {token}}.Encode()
	}
	ask := (&http.Request{Method: http.MethodGet, URL: address, Host: r.Host, Header: http.Header{}}).WithContext(ctx)
	for _, name := range []string{"Authorization", "User-Agent", "Origin"} {
		if values := r.Header.Values(name); len(values) > 0 {
			ask.Header[name] = values
		}
	}
	(&httputil.ProxyRequest{In: r, Out: ask}).SetXForwarded()
	return ask
}
