package edge

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"hafen/tenant"
)

// refusal is an answer the edge gives in a homeserver's stead (Matrix spec, "Standard error response").
type refusal struct {
	status     int
	code       string
	message    string
	contact    string // admin_contact, which M_RESOURCE_LIMIT_EXCEEDED must have
	limit      string // limit_type (MSC4368), as Synapse sends it; clients that do not know one speak of a resource limit
	info       string // info_uri: where more of it is to be had
	upgrade    bool   // can_upgrade
	retryAfter time.Duration
	reason     string // label of the metric; a closed set
}

var (
	notFound        = refusal{status: http.StatusNotFound, code: "M_UNRECOGNIZED", message: "Unrecognized request", reason: "path"}
	notAllowed      = refusal{status: http.StatusMethodNotAllowed, code: "M_UNRECOGNIZED", message: "Unrecognized method", reason: "method"}
	misdirected     = refusal{status: http.StatusMisdirectedRequest, code: "M_UNRECOGNIZED", message: "This connection is for another server", reason: "misdirected"}
	noRegistration  = refusal{status: http.StatusForbidden, code: "M_FORBIDDEN", message: "Registration has been disabled: accounts are created by this server's administrators", reason: "registration"}
	noFederation    = refusal{status: http.StatusForbidden, code: "M_FORBIDDEN", message: "This server does not federate", reason: "federation"}
	noPartner       = refusal{status: http.StatusForbidden, code: "M_FORBIDDEN", message: "This server federates with servers of its choice only", reason: "partner"}
	tooLarge        = refusal{status: http.StatusRequestEntityTooLarge, code: "M_TOO_LARGE", message: "The request is larger than this server accepts", reason: "too_large"}
	tooManyRequests = refusal{status: http.StatusTooManyRequests, code: "M_LIMIT_EXCEEDED", message: "Too many requests at once", retryAfter: time.Second, reason: "in_flight"}
	tooSlow         = refusal{status: http.StatusRequestTimeout, code: "M_UNKNOWN", message: "The request's body did not arrive in time", reason: "slow"}
	starting        = refusal{status: http.StatusServiceUnavailable, code: "M_UNKNOWN", message: "This server is starting; please try again", retryAfter: 5 * time.Second, reason: "away"}
	brokenBackend   = refusal{status: http.StatusBadGateway, code: "M_UNKNOWN", message: "This server did not answer properly", reason: "broken"}
	restarting      = refusal{status: http.StatusServiceUnavailable, code: "M_UNKNOWN", message: "This service is restarting; please try again", retryAfter: time.Second, reason: "drain"}
)

// The limits are the server's and not one person's, so their code is the one for servers, M_RESOURCE_LIMIT_EXCEEDED, of which
// clients show admin_contact as a link. The fields info_uri and can_upgrade are those of M_USER_LIMIT_EXCEEDED (MSC4335, Matrix
// 1.18), for clients that show them with any error.
//
// What Element Web makes of it (read in its develop branch of 2026: ContentMessages, ErrorUtils, ServerLimitToast, RoomStatusBar,
// LoggedInView) is always a sentence of its own, in its reader's language; never ours:
//
//   - of an upload it looks at the status alone. 413 is "exceeds this homeserver's size limit for uploads", and makes it forget the
//     limit it knew and ask again (see mediaconfig.go), after which it says how much is left; anything else is "failed to upload";
//   - of a message that was not sent, at the code and at limit_type, of which it knows hs_disabled: "blocked by its administrator".
//     Others are "exceeded a resource limit". With either goes a button to admin_contact;
//   - of a sync and of logging in, at the code and at limit_type, of which it knows hs_blocked there, with the same words;
//   - of all the rest, 403 without that code is "incorrect username or password" when logging in, else nothing in particular.
//
// So each refusal has the status and the type that bring the truest of these sentences.

// overStorage is a 413 as RFC 9110 has it, section 15.5.14: larger than the server is able to take.
func (e *Edge) overStorage(route tenant.Route) refusal {
	return refusal{
		status: http.StatusRequestEntityTooLarge, code: "M_RESOURCE_LIMIT_EXCEEDED", contact: route.Contact, limit: "storage", reason: "storage",
		message: "This server's storage is full. Please contact its administrator, who can get more of it",
		info:    e.planPage(route), upgrade: true,
	}
}

// pastFloor is for what is no upload.
func (e *Edge) pastFloor(route tenant.Route) refusal {
	r := e.overStorage(route)
	r.status, r.message = http.StatusForbidden, "This server's storage is more than full, so it is read-only. Please contact its administrator, who can get more of it"
	return r
}

// tooLargeFor is what an upload over the limit of a single one gets. Whether the plan sets that limit or its owner did, the
// edge does not know: so there is no word of an upgrade.
func (e *Edge) tooLargeFor(route tenant.Route) refusal {
	r := tooLarge
	r.message, r.info = "This file is larger than this server accepts", e.planPage(route)
	return r
}

// restricted says nothing about money: who reads it is a member, not who pays. It is met by whoever sends a message.
func (e *Edge) restricted(route tenant.Route) refusal {
	return refusal{
		status: http.StatusForbidden, code: "M_RESOURCE_LIMIT_EXCEEDED", contact: route.Contact, limit: "hs_disabled", reason: "restricted",
		message: "This server is read-only for now. Please contact its administrator; everything can still be read, downloaded and exported",
		info:    e.planPage(route), upgrade: true,
	}
}

// planPage is where the owner of a server gets more for it; "" when this edge serves no dashboard.
func (e *Edge) planPage(route tenant.Route) string {
	host := string(e.config.Dashboard.Host)
	if host == "" {
		return ""
	}
	if e.config.PublicHTTPSPort != 443 {
		host += ":" + strconv.Itoa(e.config.PublicHTTPSPort)
	}
	return "https://" + host + "/servers/" + string(route.Tenant) + "/plan"
}

// suspended is met by every sync.
func suspended(contact string) refusal {
	return refusal{
		status: http.StatusForbidden, code: "M_RESOURCE_LIMIT_EXCEEDED", contact: contact, limit: "hs_blocked", reason: "suspended",
		message: "This server is suspended. Please contact its administrator",
	}
}

// suspendedPeer speaks to other servers: a passing refusal, so that they keep what they have to say and come back.
func suspendedPeer(contact string) refusal {
	r := suspended(contact)
	r.status, r.retryAfter = http.StatusServiceUnavailable, time.Hour
	return r
}

func (r refusal) body(host string) []byte {
	body := struct {
		Code       string `json:"errcode"`
		Message    string `json:"error"`
		Contact    string `json:"admin_contact,omitempty"`
		Limit      string `json:"limit_type,omitempty"`
		Info       string `json:"info_uri,omitempty"`
		Upgrade    bool   `json:"can_upgrade,omitempty"`
		RetryAfter int64  `json:"retry_after_ms,omitempty"`
	}{r.code, r.message, r.contact, r.limit, r.info, r.upgrade, r.retryAfter.Milliseconds()}
	if r.limit != "" && body.Contact == "" {
		body.Contact = "mailto:postmaster@" + host // RFC 5321 section 4.5.1: every domain has one
	}
	return encode(body)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("edge: an answer of plain values cannot be encoded: " + err.Error())
	}
	return b
}

// refuse answers and, when a body was announced, sees to it that the client can read the answer.
func (e *Edge) refuse(w http.ResponseWriter, r *http.Request, why refusal) {
	e.metrics.refused(why.reason)
	if why.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(why.retryAfter.Seconds())))
	}
	if r.Method == http.MethodOptions {
		answer(w, http.StatusOK, nil) // a preflight; the browser reads the refusal of the request that follows
		return
	}
	answerUnread(w, r, why.status, why.body(r.Host))
}

// answerUnread is answer for a request of which the body may be on its way.
func answerUnread(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	unread := r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
	if unread && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // or net/http would read 256 KiB of it to reuse the connection
	}
	answer(w, status, body)
	if unread && r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		linger(w, r.Body)
	}
}

// answer writes JSON that web pages of every origin may read (spec, "Web Browser Clients").
func answer(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	allowOrigins(h)
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // the connection's end is the client's loss
}

func allowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization")
}
