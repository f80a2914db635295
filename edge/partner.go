package edge

import (
	"net/http"
	"strings"

	"hafen/tenant"
)

// federates reports whether a tenant has to do with other servers at all. A mode that is not known has not.
func federates(route tenant.Route) bool {
	return route.Federation == tenant.FederationOpen || route.Federation == tenant.FederationList
}

// welcome reports whether a request from another server may pass. A tenant that federates with its partners only hears
// nobody else, but tells everybody its keys and its version: partners may fetch the keys through a third server, and a
// stranger's administrator who looks for the mistake should find a server that answers.
//
// Whether the one that signed is who it says it is, the homeserver finds out.
func welcome(r *http.Request, route tenant.Route, t target) bool {
	if route.Federation != tenant.FederationList || t.api == keyAPI || t.path == "/_matrix/federation/v1/version" {
		return true
	}
	origin, ok := originOf(r.Header.Values("Authorization"))
	if !ok {
		return false
	}
	for partner := range strings.SplitSeq(route.Partners, ",") {
		if partner == origin {
			return true
		}
	}
	return false
}

// originOf reads who a request says it is from (Server-Server API, "Request Authentication"). A request may have several
// signatures, by several keys of one server. Homeservers differ in which of several origins counts, and in how they read what
// no honest server writes, so all of them must be the same, and everything must be plain.
func originOf(authorizations []string) (origin string, ok bool) {
	for _, authorization := range authorizations {
		one, ok := originIn(authorization)
		if !ok || origin != "" && one != origin {
			return "", false
		}
		origin = one
	}
	return origin, origin != ""
}

// originIn reads one header: X-Matrix origin="a.example",destination="b.example",key="ed25519:1",sig="...".
func originIn(authorization string) (string, bool) {
	scheme, rest, found := strings.Cut(authorization, " ")
	if !found || scheme != "X-Matrix" {
		return "", false
	}
	origin, seen := "", map[string]bool{}
	// A comma within quotes separates too: to Synapse it does, and none of these values holds one.
	for parameter := range strings.SplitSeq(rest, ",") {
		name, value, found := strings.Cut(strings.Trim(parameter, " \t"), "=")
		name = strings.ToLower(name)
		value, plain := unquoted(value)
		if !found || !plain || !literal(name) || seen[name] {
			return "", false
		}
		seen[name] = true
		if name == "origin" {
			origin = value
		}
	}
	return origin, origin != ""
}

// unquoted is a value without its quotes; false when it holds anything that could be read in two ways.
func unquoted(value string) (string, bool) {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return value, printable(value) && !strings.ContainsAny(value, `"\`)
}
