package edge

import (
	"strings"
	"unicode/utf8"
)

// api is the part of the Matrix interface a request is for.
type api int

const (
	clientAPI api = iota + 1
	mediaAPI
	federationAPI
	keyAPI
	wellKnown
)

// target is an allowed request target: where it leads, and the untouched text of it.
type target struct {
	api   api
	path  string // raw
	query string // raw, without "?"
	ask   bool   // there was a "?"

	registration bool // creates an account, or prepares to
	upload       bool // stores media when sent with a writing method
	sync         bool // waits for events, and changes nothing; sliding sync does so with POST

	names endpoint // of the Matrix interface; nil where there is no version
}

// Deeper than any honest encoding: an id with a percent sign, encoded twice by a careless client, takes three.
const maxEncodings = 4

// synapsePages are what passes of Synapse's own pages for people: the steps of logging in by an identity provider. Those that
// make accounts (pick_username, new_user_consent, sso_register) would go round the count of seats; password_reset and
// unsubscribe stand in mails, which homeservers here do not send; rendezvous belongs to the Matrix Authentication Service.
var synapsePages = map[string]bool{
	"/_synapse/client/pick_idp":                true,
	"/_synapse/client/oidc/callback":           true,
	"/_synapse/client/oidc/backchannel_logout": true,
}

// readTarget decides on the raw request target, as it came over the wire. The beginning of the path, up to and including
// the endpoint's name, must be spelled literally; behind it stand ids, which may hold anything that no reader could take
// for a way out: at every level of percent-decoding there is no dot segment, no backslash and no control byte.
//
// It is stricter than any homeserver on purpose. Twisted decodes before it routes, Go cleans, gorilla/mux does neither:
// what passes here means the same to all of them.
func readTarget(raw string) (target, bool) {
	path, query, ask := strings.Cut(raw, "?")
	t := target{path: path, query: query, ask: ask}
	if !printable(query) || !plausible(path) {
		return target{}, false
	}
	segments := strings.Split(path[1:], "/")
	switch segments[0] {
	case ".well-known":
		t.api = wellKnown
		return t, path == "/.well-known/matrix/client" || path == "/.well-known/matrix/server" || path == "/.well-known/matrix/support"
	case "_synapse":
		t.api = clientAPI
		return t, synapsePages[path]
	case "_matrix":
		return t.matrix(segments[1:])
	default:
		return target{}, false
	}
}

// matrix reads what follows "/_matrix/".
func (t target) matrix(segments []string) (target, bool) {
	if len(segments) == 0 {
		return target{}, false
	}
	switch segments[0] {
	case "client":
		t.api = clientAPI
	case "media":
		t.api = mediaAPI
	case "federation":
		t.api = federationAPI
	case "key":
		t.api = keyAPI
	default:
		return target{}, false
	}
	if t.api == clientAPI && len(segments) == 2 && segments[1] == "versions" {
		return t, true
	}
	if len(segments) < 3 || !version(segments[1]) || !literal(segments[2]) {
		return target{}, false
	}
	names := endpoint(segments[1:])
	t.names = names
	switch {
	case t.api == mediaAPI:
		t.upload = true
	case t.api == clientAPI && names.has("register"):
		t.registration = true
	case t.api == clientAPI && names.sync():
		t.sync = true
	case t.api == clientAPI && names.has("media"):
		t.upload = true
	case t.api == clientAPI && names.has("admin"):
		// Only whois is for members themselves (spec, "Server Administration"); what else may appear here would let a
		// tenant's administrator go round Hafen's own count of seats.
		return t, names.whois()
	}
	return t, true
}

// endpoint holds the segments that may name an endpoint: the first one behind the version and, where a proposal's own name
// comes first ("/unstable/org.matrix.msc4323/admin"), the second.
type endpoint []string

func (e endpoint) has(name string) bool {
	if strings.EqualFold(e[1], name) {
		return true
	}
	return e[0] == "unstable" && len(e) > 2 && strings.EqualFold(deepest(e[2]), name)
}

// sync is literal: a spelling that is not recognised costs a client a repetition, at a restart.
func (e endpoint) sync() bool {
	return len(e) == 2 && e[1] == "sync" || len(e) == 3 && e[0] == "unstable" && e[2] == "sync"
}

func (e endpoint) whois() bool {
	return e[1] == "admin" && len(e) > 2 && e[2] == "whois"
}

// version accepts r0, v1, v12 and unstable.
func version(s string) bool {
	if s == "unstable" {
		return true
	}
	return (len(s) == 2 || len(s) == 3) && (s[0] == 'v' || s[0] == 'r') && strings.Trim(s[1:], "0123456789") == ""
}

// literal accepts what names an endpoint: letters, digits, and "_", "-", "." inside.
func literal(s string) bool {
	if s == "" || s[0] == '.' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !alphanumeric(c) && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// plausible checks a raw path: the letters RFC 3986 allows in one (without ";", which some servers cut at), no empty
// segment but a last one (an empty state key), and nothing dangerous at any level of decoding.
func plausible(path string) bool {
	if path == "" || path[0] != '/' || strings.Contains(path, "//") {
		return false
	}
	for i := 0; i < len(path); i++ {
		if c := path[i]; !alphanumeric(c) && !strings.ContainsRune("/%-._~!$&'()*+,=:@", rune(c)) {
			return false
		}
	}
	view, ok := decodeStrictly(path)
	if !ok || !utf8.ValidString(view) {
		return false
	}
	for range maxEncodings {
		if !harmless(view) {
			return false
		}
		deeper := decodeLoosely(view)
		if deeper == view {
			return true
		}
		view = deeper
	}
	return false
}

// harmless looks at a decoded path. Empty segments are allowed: event ids of room version 3 are base64 and may hold "//".
func harmless(view string) bool {
	for i := 0; i < len(view); i++ {
		if c := view[i]; c < 0x20 || c == 0x7f || c == '\\' {
			return false
		}
	}
	for segment := range strings.SplitSeq(view, "/") {
		if s := bare(segment); s == "." || s == ".." {
			return false
		}
	}
	return true
}

// bare is a decoded segment as a lenient reader might see it: without path parameters and surrounding blanks.
func bare(segment string) string {
	segment, _, _ = strings.Cut(segment, ";")
	return strings.TrimSpace(segment)
}

// deepest is the name a raw segment could be taken for by the most lenient reader.
func deepest(segment string) string {
	for range maxEncodings {
		segment = decodeLoosely(segment)
	}
	segment, _, _ = strings.Cut(strings.TrimLeft(segment, "/"), "/")
	return bare(segment)
}

// printable accepts visible ASCII: anything else could split the request line we write to the homeserver.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '#' {
			return false
		}
	}
	return true
}

// decodeStrictly undoes one level of percent-encoding and refuses a percent sign that begins no escape.
func decodeStrictly(s string) (string, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if !escapeAt(s, i) {
				return "", false
			}
			i += 2
		}
	}
	return decodeLoosely(s), true
}

// decodeLoosely undoes one level of percent-encoding and leaves everything else as it is.
func decodeLoosely(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && escapeAt(s, i) {
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func escapeAt(s string, i int) bool {
	return i+2 < len(s) && hexadecimal(s[i+1]) && hexadecimal(s[i+2])
}

func hexadecimal(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	default:
		return c - '0'
	}
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
