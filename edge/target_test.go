package edge

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
)

// Targets a homeserver must see exactly as they are.
var honest = []string{
	"/_matrix/client/versions",
	"/_matrix/client/versions?",
	"/_matrix/client/v3/sync?filter=%7B%22room%22%3A%7B%7D%7D&timeout=30000",
	"/_matrix/client/r0/login",
	"/_matrix/client/v1/rooms/!abc:example.org/hierarchy",
	"/_matrix/client/v3/rooms/%21abc%3Aexample.org/send/m.room.message/m1",
	"/_matrix/client/v3/rooms/!abc%2Fdef:example.org/state/m.room.member/@a%2Fb:example.org",
	"/_matrix/client/v3/rooms/!abc:example.org/state/m.room.name/",
	"/_matrix/client/v3/rooms/!abc:example.org/event/$acR1l0raoZnm60CBwAVgqbZqoO%2FmYU81xysh1u7XcJk",
	"/_matrix/client/v3/rooms/!abc:example.org/event/$acR1l0raoZnm60CBw%2F%2FqbZqoO",
	"/_matrix/client/v3/rooms/!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM/messages?dir=b",
	"/_matrix/client/v3/directory/room/%23caf%C3%A9%2Froom:example.org",
	"/_matrix/client/v3/directory/room/%23with%253Apercent%2525:example.org",
	"/_matrix/client/v3/pushrules/global/override/.m.rule.master/enabled",
	"/_matrix/client/v3/pushrules/global/content/...",
	"/_matrix/client/v3/user/@a.b=c-d_e:example.org/account_data/m.push_rules",
	"/_matrix/client/v3/admin/whois/@a:example.org",
	"/_matrix/client/v3/profile/@register:example.org",
	"/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
	"/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
	"/_matrix/client/v1/media/download/example.org/abc/a%20name.png",
	"/_matrix/client/v1/media/config",
	"/_matrix/media/v3/upload?filename=a%2Fb.png",
	"/_matrix/media/v3/upload/example.org/abc",
	"/_matrix/media/v1/create",
	"/_matrix/media/r0/thumbnail/example.org/abc?width=1&height=1",
	"/_matrix/federation/v1/version",
	"/_matrix/federation/v1/send/1700000000000",
	"/_matrix/federation/v2/send_join/%21abc%3Aexample.org/%24ev%2Fent",
	"/_matrix/federation/v1/make_join/!abc:example.org/@a%2Fb:example.org?ver=10&ver=11",
	"/_matrix/federation/v1/state_ids/!abc:example.org?event_id=%24x",
	"/_matrix/federation/unstable/org.matrix.msc3266/hierarchy/x",
	"/_matrix/key/v2/server",
	"/_matrix/key/v2/server/",
	"/_matrix/key/v2/server/ed25519:abc",
	"/_matrix/key/v2/query/example.org",
	"/_synapse/client/oidc/callback?code=x",
	"/_synapse/client/oidc/backchannel_logout",
	"/_synapse/client/pick_idp?redirectUrl=https%3A%2F%2Fapp.example.org%2F",
	"/_matrix/client/v4/sync",
	"/_matrix/client/v1/auth_metadata",
	"/_matrix/client/v1/media/download/example.org/abc",
	"/_matrix/client/v1/media/thumbnail/example.org/abc?width=1&height=1&animated=true",
	"/_matrix/client/v1/media/preview_url?url=https%3A%2F%2Fexample.org",
	"/_matrix/client/v3/login/sso/redirect",
	"/_matrix/client/v3/login/sso/redirect/oidc-school?redirectUrl=https%3A%2F%2Fapp.example.org%2F%3Fa%3Db",
	"/_matrix/client/unstable/org.matrix.msc4143/rtc/transports",
	"/_matrix/client/unstable/org.matrix.msc3266/rooms/!a:b/summary",
	"/_matrix/client/unstable/im.nheko.summary/summary/%23a:b",
	"/_matrix/federation/v1/media/download/abc",
	"/_matrix/federation/v1/openid/userinfo?access_token=x",
	"/.well-known/matrix/client",
	"/.well-known/matrix/server?x=1",
	"/.well-known/matrix/support",
}

func TestHonestTargetsPass(t *testing.T) {
	t.Parallel()
	for _, raw := range honest {
		got, ok := readTarget(raw)
		if !ok || got.registration {
			t.Errorf("%s: refused", raw)
			continue
		}
		if again := rebuild(got); again != raw {
			t.Errorf("%s: would be forwarded as %s", raw, again)
		}
	}
}

func rebuild(t target) string {
	u := url.URL{Scheme: "http", Host: "x", Opaque: t.path, RawQuery: t.query, ForceQuery: t.ask}
	return u.RequestURI()
}

// Targets that must not pass, beside the spellings of spellings_test.go.
var strange = []string{
	"", "*", "/", "//", "/_matrix", "/_matrix/", "/_matrix/client", "/_matrix/client/", "/_matrix/client/v3", "/_matrix/client/v3/",
	"/_matrix/client/v3//sync", "/_matrix//client/v3/sync", "//_matrix/client/v3/sync", "/_matrix/client/v3/rooms//x",
	"/_matrix/client/v3/rooms/x//", "/_matrix/client/api/v1/register", "/_matrix/client/vx/sync", "/_matrix/client/v1234/sync",
	"/_matrix/client/%76%33/sync", "/_matrix/client/v3/%73ync", "/_matrix/%63lient/v3/sync", "/%5fmatrix/client/v3/sync",
	"/_MATRIX/client/v3/sync", "/_matrix/Client/v3/sync", "/_matrix/client/V3/sync", "/_matrix/static/client/login/",
	"/_matrix/identity/v2/lookup", "/_matrix/push/v1/notify", "/_matrix/app/v1/ping", "/_matrix/client/v3/rooms/./x",
	"/_matrix/client/v3/rooms/../x", "/_matrix/client/v3/rooms/%2e%2e/x", "/_matrix/client/v3/rooms/.%2E/x",
	"/_matrix/client/v3/rooms/x%2F..%2Fy", "/_matrix/client/v3/rooms/x%252F..%252Fy", "/_matrix/client/v3/rooms/%252e%252e/x",
	"/_matrix/client/v3/rooms/%25252e%25252e/x", "/_matrix/client/v3/rooms/%2525252525252e/x", "/_matrix/client/v3/rooms/a%5Cb",
	"/_matrix/client/v3/rooms/a\\b", "/_matrix/client/v3/rooms/a%255Cb", "/_matrix/client/v3/rooms/a%00b", "/_matrix/client/v3/rooms/a%0d%0ab",
	"/_matrix/client/v3/rooms/a%2500b", "/_matrix/client/v3/rooms/a%zzb", "/_matrix/client/v3/rooms/a%", "/_matrix/client/v3/rooms/a%2",
	"/_matrix/client/v3/rooms/a;b", "/_matrix/client/v3;x/sync", "/_matrix/client/v3/rooms/..;/x", "/_matrix/client/v3/rooms/..%3B/x",
	"/_matrix/client/v3/rooms/%c0%ae%c0%ae/x", "/_matrix/client/v3/rooms/%ff/x", "/_matrix/client/v3/rooms/a b", "/_matrix/client/v3/rooms/\xc3\xa4",
	"/_matrix/client/v3/sync?a b", "/_matrix/client/v3/sync?a\r\nX: y", "/_matrix/client/v3/sync#x", "/_matrix/client/v3/sync?x#y",
	"/_matrix/client/v3/rooms/ ../x", "/_matrix/client/v3/rooms/%20..%20/x", "/_matrix/client/v3/rooms/a%7fb",
	"http://alpha.example.org/_matrix/client/versions", "alpha.example.org:443", "_matrix/client/versions", "/_matrix/client/versions/",
	"/_matrix/client/versions/x", "/_matrix/client/v3/admin/suspend/@a:example.org", "/_matrix/client/v1/admin/lock/@a:example.org",
	"/_matrix/client/unstable/uk.timedout.msc4323/admin/suspend/@a:example.org", "/_matrix/client/v3/admin", "/_matrix/client/v3/Admin/whois",
	"/.well-known/matrix/", "/.well-known/matrix/client/", "/.well-known/matrix/Client", "/.well-known/matrix/%63lient",
	"/.well-known/acme-challenge/x", "/.well-known/openid-configuration", "/.well-known/matrix/client/../server",
	"/_synapse/client", "/_synapse/client/", "/_synapse/client/../admin", "/_synapse/Client/x", "/_synapse/client/%2e%2e/admin",
	"/_synapse/client/..%2fadmin", "/_synapse/client//x", "/_matrix/federation/v1", "/_matrix/key/v2", "/_matrix/federation/", "/robots.txt",
	"/metrics", "/health", "/_dendrite/admin/x", "/_synapse/mas/x", "/_synapse/metrics", "/index.html",
	// Synapse's other pages.
	"/_synapse/client/pick_username", "/_synapse/client/pick_username/account_details", "/_synapse/client/pick_username/check?username=a",
	"/_synapse/client/new_user_consent", "/_synapse/client/sso_register", "/_synapse/client/password_reset/email/submit_token?token=x",
	"/_synapse/client/unsubscribe?token=x", "/_synapse/client/rendezvous", "/_synapse/client/rendezvous/abc", "/_synapse/client/saml2/metadata.xml",
	"/_synapse/client/v1/config/federation_whitelist", "/_synapse/client/media_upload_limit_exceeded", "/_synapse/client/pick_idp/",
	"/_synapse/client/pick_idp/x", "/_synapse/client/oidc", "/_synapse/client/oidc/", "/_synapse/client/oidc/callback/", "/_synapse/client/oidc/x",
	"/_synapse/client/oidc/callback%2F", "/_synapse/client/%70ick_idp", "/_synapse/jwks", "/_synapse/replication/x", "/_synapse/admin", "/_synapse/",
	"/_matrix/saml2/metadata.xml", "/_matrix/consent?u=x", "/_matrix/static/", "/_matrix/client/api/v1/admin/purge_history/x",
	"/_matrix/client/unstable/admin/purge_history/x", "/_matrix/client/r0/admin/register",
}

func TestStrangeTargetsDoNot(t *testing.T) {
	t.Parallel()
	for _, raw := range strange {
		if got, ok := readTarget(raw); ok {
			t.Errorf("%q passes as %+v", raw, got)
		}
	}
}

// Every way to make an account, in every version and in spellings a lenient reader might follow.
func TestRegistrationIsRecognised(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"r0", "v1", "v3", "v4", "unstable"} {
		for _, rest := range []string{
			"register", "register/", "register?kind=guest", "register?kind=user", "register/available?username=x", "Register", "REGISTER",
			"register/email/requestToken", "register/msisdn/requestToken", "register/m.login.registration_token/validity?token=x",
		} {
			raw := "/_matrix/client/" + version + "/" + rest
			if got, ok := readTarget(raw); !ok || !got.registration {
				t.Errorf("%s: ok %v, registration %v", raw, ok, got.registration)
			}
		}
	}
	for _, raw := range []string{
		"/_matrix/client/unstable/org.example.msc1/register", "/_matrix/client/unstable/org.example.msc1/re%67ister",
		"/_matrix/client/unstable/org.example.msc1/re%2567ister", "/_matrix/client/unstable/org.example.msc1/%2Fregister",
		"/_matrix/client/unstable/org.example.msc1/register%3Bx", "/_matrix/client/unstable/org.example.msc1/%20register",
	} {
		if got, ok := readTarget(raw); ok && !got.registration {
			t.Errorf("%s would reach the homeserver", raw)
		}
	}
}

func TestUploadsAreRecognised(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"/_matrix/media/r0/upload", "/_matrix/media/v1/upload", "/_matrix/media/v3/upload", "/_matrix/media/v3/upload/", "/_matrix/media/v3/create",
		"/_matrix/media/v3/upload/example.org/x", "/_matrix/media/unstable/org.example/upload", "/_matrix/client/v1/media/upload",
		"/_matrix/client/unstable/org.example/media/upload", "/_matrix/client/unstable/org.example/%6dedia/upload",
	} {
		if got, ok := readTarget(raw); !ok || !got.upload {
			t.Errorf("%s: ok %v, upload %v", raw, ok, got.upload)
		}
	}
}

// FuzzTarget holds what readTarget lets through against the other readers a request may meet: net/http's, which cleans,
// and one that decodes to the bottom.
func FuzzTarget(f *testing.F) {
	for _, list := range [][]string{honest, strange} {
		for _, raw := range list {
			f.Add(raw)
		}
	}
	for i, raw := range adminSpellings() {
		if i%23 == 0 { // a corpus of thousands slows the search down
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, ok := readTarget(raw)
		if !ok {
			return
		}
		if rebuild(got) != raw {
			t.Fatalf("%q would be forwarded as %q", raw, rebuild(got))
		}
		parsed, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Fatalf("%q passes, but net/url refuses it: %v", raw, err)
		}
		deepest := parsed.Path
		for range 10 {
			deepest = decodeLoosely(deepest)
		}
		for _, view := range []string{parsed.Path, path.Clean(parsed.Path), deepest, path.Clean(deepest), path.Clean(strings.ReplaceAll(deepest, "\\", "/"))} {
			agrees(t, raw, view, got)
		}
	})
}

// agrees checks that another reader's path lies below the same prefix and is no account or administration in disguise.
func agrees(t *testing.T, raw, view string, got target) {
	t.Helper()
	prefix := map[api]string{
		clientAPI: "/_matrix/client/", mediaAPI: "/_matrix/media/", federationAPI: "/_matrix/federation/", keyAPI: "/_matrix/key/", wellKnown: "/.well-known/matrix/",
	}[got.api]
	if !strings.HasPrefix(view, prefix) && !(got.api == clientAPI && synapsePages[view]) {
		t.Fatalf("%q passes as %s, but is also read as %q", raw, prefix, view)
	}
	segments := strings.Split(view, "/")
	if got.api != clientAPI || len(segments) < 5 || segments[1] != "_matrix" {
		return
	}
	if strings.EqualFold(segments[4], "register") && !got.registration {
		t.Fatalf("%q is also read as registration: %q", raw, view)
	}
	if strings.EqualFold(segments[4], "admin") && !strings.HasPrefix(strings.Join(segments[5:], "/"), "whois") {
		t.Fatalf("%q is also read as administration: %q", raw, view)
	}
	// The mux of the standard library must come to the same prefix.
	mux := http.NewServeMux()
	mux.Handle(prefix, http.NotFoundHandler())
	request := &http.Request{Method: "GET", URL: &url.URL{Path: view}}
	if _, pattern := mux.Handler(request); pattern != prefix {
		t.Fatalf("%q: net/http routes %q to %q", raw, view, pattern)
	}
}
