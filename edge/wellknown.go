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
	case strings.HasSuffix(r.URL.Path, "/support"):
		document = support(route)
	}
	switch {
	case document == nil:
		e.refuse(w, r, notFound)
	case r.Method == http.MethodOptions:
		answer(w, http.StatusOK, nil)
	default:
		answer(w, http.StatusOK, encode(document))
	}
}

type supportDocument struct {
	Contacts []supportContact `json:"contacts,omitempty"`
	Page     string           `json:"support_page,omitempty"`
}

type supportContact struct {
	Role     string `json:"role"`
	MatrixID string `json:"matrix_id,omitempty"`
	Email    string `json:"email_address,omitempty"`
}

// support tells whom to ask (spec, "Getting admin contact"): whom the customer named, or else the hoster; about security
// always the hoster, who runs the server. Nil when there is nobody.
func support(route tenant.Route) any {
	email, isMail := strings.CutPrefix(route.Contact, "mailto:")
	admin := supportContact{Role: "m.role.admin", MatrixID: route.Support.MatrixID, Email: route.Support.Email}
	if route.Support == (tenant.Support{}) && isMail {
		admin.Email = email
	}
	var document supportDocument
	if admin.MatrixID+admin.Email != "" {
		document.Contacts = append(document.Contacts, admin)
	}
	if isMail {
		document.Contacts = append(document.Contacts, supportContact{Role: "m.role.security", Email: email})
	}
	document.Page = route.Support.Page
	if document.Page == "" && !isMail {
		document.Page = route.Contact
	}
	if document.Contacts == nil && document.Page == "" {
		return nil
	}
	return document
}

// url is where the outside finds a host of ours.
func (e *Edge) url(host tenant.Domain, path string) string {
	if e.config.PublicHTTPSPort == 443 {
		return "https://" + string(host) + path
	}
	return "https://" + string(host) + ":" + strconv.Itoa(e.config.PublicHTTPSPort) + path
}
