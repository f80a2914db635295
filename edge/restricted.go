package edge

import (
	"net/http"
	"strings"

	"hafen/tenant"
)

// A restricted tenant is one that is not paid for. Its people can read everything, get it out, and leave; nothing new comes
// from them. What passes:
//
//   - whatever only reads: GET and HEAD, sync in every form, searches that are sent with POST. A preview of a page is the
//     exception: it makes the homeserver fetch and keep something;
//   - logging in, for who cannot log in cannot get anything out, and logging out;
//   - keys, their backup, and messages between devices. Without them a new session reads nothing of what is encrypted, and an
//     export would be noise. Secret storage and cross-signing keep their keys in account data, so those types pass, and
//     no others;
//   - a new password, ending sessions and closing one's own account: a right, and nobody's gain;
//   - other servers, as if nothing were: see closed.
//
// Receipts, typing, presence, profile, settings, rooms, invites, messages and uploads are refused.
//
// The list names what may write, so that what a homeserver learns tomorrow is refused until somebody has thought about it.
// Paths are those behind the version, or behind the name of a proposal; "*" stands for one segment, "**" for any that
// follow, "x.*" for whatever begins with "x.".
var restrictedWrites = []struct {
	methods string
	path    string
}{
	{"POST", "sync"}, // sliding sync
	{"POST", "user/*/filter"},
	{"POST", "search"},
	{"POST", "publicRooms"},
	{"POST", "user_directory/search"},

	{"POST", "login"},
	{"POST", "login/get_token"},
	{"POST", "refresh"},
	{"POST", "auth/*/fallback/web"},
	{"POST PUT DELETE", "rendezvous"},
	{"POST PUT DELETE", "rendezvous/*"},
	{"POST", "logout"},
	{"POST", "logout/all"},
	{"POST", "delete_devices"},
	{"DELETE", "devices/*"},
	{"POST", "account/password"},
	{"POST", "account/deactivate"},

	{"POST", "keys/upload"},
	{"POST", "keys/query"},
	{"POST", "keys/claim"},
	{"POST", "keys/signatures/upload"},
	{"POST", "keys/device_signing/upload"},
	{"PUT", "sendToDevice/*/*"},
	{"POST PUT DELETE", "room_keys/**"},
	{"PUT DELETE", "dehydrated_device"},
	{"POST", "dehydrated_device/**"},
	{"PUT", "user/*/account_data/m.secret_storage.*"},
	{"PUT", "user/*/account_data/m.cross_signing.*"},
	{"PUT", "user/*/account_data/m.megolm_backup.*"},
}

// restricts reports whether a restricted tenant's answer to a member's request is the edge's refusal.
func restricts(t target, method string) bool {
	switch {
	case method == http.MethodOptions:
		return false // a browser's question about the request that follows
	case t.api == mediaAPI:
		return writes(method) || t.names.is("preview_url")
	case t.synapsePage():
		return false // the steps of logging in, and an identity provider's of logging out
	case !writes(method):
		return t.names.is("media/preview_url")
	}
	for _, write := range restrictedWrites {
		if t.names.is(write.path) && hasWord(write.methods, method) {
			return false
		}
	}
	return true
}

func (t target) synapsePage() bool { return strings.HasPrefix(t.path, "/_synapse/") }

// is reports whether the endpoint is the one of a pattern. It is as literal as the list: what is spelled in another way is
// something else.
func (e endpoint) is(pattern string) bool {
	if len(e) < 2 {
		return false
	}
	if matches(pattern, e[1:]) {
		return true
	}
	// "/unstable/org.matrix.msc3814.v1/dehydrated_device"
	return e[0] == "unstable" && len(e) > 2 && strings.Contains(e[1], ".") && literal(e[2]) && matches(pattern, e[2:])
}

func matches(pattern string, names []string) bool {
	for part := range strings.SplitSeq(pattern, "/") {
		if part == "**" {
			return len(names) > 0
		}
		if len(names) == 0 || !matchesOne(part, names[0]) {
			return false
		}
		names = names[1:]
	}
	return len(names) == 0
}

func matchesOne(part, name string) bool {
	if prefix, open := strings.CutSuffix(part, "*"); open {
		return strings.HasPrefix(name, prefix) && name != prefix
	}
	return part == name
}

func hasWord(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

// closed gives the refusal of a tenant that is not open, for a request it does not take.
func (e *Edge) closed(route tenant.Route, t target, method string) (refusal, bool) {
	peer := t.api == federationAPI || t.api == keyAPI
	switch {
	case route.Mode == tenant.RouteOpen:
		return refusal{}, false
	case route.Mode == tenant.RouteRestricted && peer:
		// A server that refuses /send loses what the others say meanwhile, for they give up after a while and stay away for up
		// to a week, and the rooms it shares with them fall apart for everybody in them. So what others send is taken, and
		// paying finds the rooms whole. (The specification has no answer for a server that only listens.)
		return refusal{}, false
	case route.Mode == tenant.RouteRestricted:
		return e.restricted(route), restricts(t, method)
	case peer:
		return suspendedPeer(route.Contact), true
	default:
		return suspended(route.Contact), true
	}
}
