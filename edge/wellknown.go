package edge

import (
	"net/http"
	"strconv"
	"strings"

	"hafen/tenant"
)

// discover answers the three well-known documents (spec, "Well-known URIs"; Server-Server API, "Server discovery"). The
// edge answers them for a tenant that sleeps or is suspended too, or its members would be told the server does not exist.
func (e *Edge) discover(w http.ResponseWriter, r *http.Request, route tenant.Route) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions {
		e.refuse(w, r, notAllowed)
		return
	}
	var document any
	switch {
	case strings.HasSuffix(r.URL.Path, "/client"):
		document = map[string]any{"m.homeserver": map[string]string{"base_url": e.url(route.Host, "")}}
	case strings.HasSuffix(r.URL.Path, "/server") && federates(route):
		document = map[string]string{"m.server": string(route.Host) + ":" + strconv.Itoa(e.config.PublicFederationPort)}
	case strings.HasSuffix(r.URL.Path, "/support") && route.Contact != "":
		document = support(route.Contact)
	default:
		e.refuse(w, r, notFound)
		return
	}
	if r.Method == http.MethodOptions {
		answer(w, http.StatusOK, nil)
		return
	}
	answer(w, http.StatusOK, encode(document))
}

// support tells whom to ask (spec, "Getting admin contact").
func support(contact string) any {
	if address, ok := strings.CutPrefix(contact, "mailto:"); ok {
		return map[string]any{"contacts": []map[string]string{{"role": "m.role.admin", "email_address": address}}}
	}
	return map[string]string{"support_page": contact}
}

// url is where the outside finds a host of ours.
func (e *Edge) url(host tenant.Domain, path string) string {
	if e.config.PublicHTTPSPort == 443 {
		return "https://" + string(host) + path
	}
	return "https://" + string(host) + ":" + strconv.Itoa(e.config.PublicHTTPSPort) + path
}
