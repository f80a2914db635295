package edge

import (
	"net/http"
	"strings"
	"testing"
)

// endpoints are those of the client-server and content APIs (Matrix 1.18) with the methods each has, and those of proposals that
// clients use with these engines. "!" before a method: refused to a restricted tenant's members.
var endpoints = []string{
	"GET /_matrix/client/versions",
	"GET !POST /_matrix/client/v3/capabilities",
	"GET /_matrix/client/v1/auth_metadata",
	"GET POST !PUT /_matrix/client/v3/login",
	"GET /_matrix/client/v3/login/sso/redirect",
	"GET /_matrix/client/v3/login/sso/redirect/oidc-school",
	"POST /_matrix/client/v1/login/get_token",
	"GET POST /_matrix/client/v3/auth/m.login.password/fallback/web",
	"POST /_matrix/client/v3/refresh",
	"POST /_matrix/client/v3/logout",
	"POST /_matrix/client/v3/logout/all",
	"POST /_matrix/client/unstable/org.matrix.msc4108/rendezvous",
	"GET PUT DELETE /_matrix/client/unstable/org.matrix.msc4108/rendezvous/abc",
	"GET POST PUT DELETE /_matrix/client/v1/rendezvous/abc",
	"POST /_matrix/client/v3/account/password",
	"!POST /_matrix/client/v3/account/password/email/requestToken",
	"POST /_matrix/client/v3/account/deactivate",
	"GET /_matrix/client/v3/account/whoami",
	"GET !POST /_matrix/client/v3/account/3pid",
	"!POST /_matrix/client/v3/account/3pid/add",
	"!POST /_matrix/client/v3/account/3pid/bind",
	"!POST /_matrix/client/v3/account/3pid/delete",
	"!POST /_matrix/client/v3/account/3pid/email/requestToken",

	"GET POST /_matrix/client/v3/sync",
	"POST /_matrix/client/v4/sync",
	"POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
	"POST /_matrix/client/unstable/org.matrix.msc3575/sync",
	"GET /_matrix/client/v3/events",
	"GET /_matrix/client/v3/events/$x",
	"GET /_matrix/client/v3/initialSync",
	"POST /_matrix/client/v3/user/@a:b/filter",
	"GET !PUT /_matrix/client/v3/user/@a:b/filter/1",
	"POST /_matrix/client/v3/search",
	"POST /_matrix/client/v3/user_directory/search",
	"GET POST /_matrix/client/v3/publicRooms",
	"GET /_matrix/client/v3/joined_rooms",
	"GET /_matrix/client/v3/notifications",
	"GET /_matrix/client/v3/rooms/!a:b/event/$x",
	"GET /_matrix/client/v3/rooms/!a:b/joined_members",
	"GET /_matrix/client/v3/rooms/!a:b/members",
	"GET /_matrix/client/v3/rooms/!a:b/state",
	"GET !PUT /_matrix/client/v3/rooms/!a:b/state/m.room.name",
	"GET !PUT /_matrix/client/v3/rooms/!a:b/state/m.room.name/",
	"GET !PUT /_matrix/client/v3/rooms/!a:b/state/m.room.member/@a:b",
	"GET /_matrix/client/v3/rooms/!a:b/messages",
	"GET /_matrix/client/v3/rooms/!a:b/context/$x",
	"GET /_matrix/client/v3/rooms/!a:b/initialSync",
	"GET /_matrix/client/v3/rooms/!a:b/aliases",
	"GET /_matrix/client/v1/rooms/!a:b/timestamp_to_event",
	"GET /_matrix/client/v1/rooms/!a:b/threads",
	"GET /_matrix/client/v1/rooms/!a:b/hierarchy",
	"GET /_matrix/client/v1/rooms/!a:b/relations/$x/m.thread/m.room.message",
	"GET /_matrix/client/v1/room_summary/!a:b",
	"GET /_matrix/client/v3/directory/list/room/!a:b",
	"!PUT /_matrix/client/v3/directory/list/room/!a:b",
	"GET !PUT !DELETE /_matrix/client/v3/directory/room/%23a:b",
	"GET /_matrix/client/v1/mutual_rooms",

	"!PUT /_matrix/client/v3/rooms/!a:b/send/m.room.message/1",
	"!PUT !POST /_matrix/client/v3/rooms/!a:b/redact/$x/1",
	"!POST /_matrix/client/v3/rooms/!a:b/receipt/m.read/$x",
	"!POST /_matrix/client/v3/rooms/!a:b/read_markers",
	"!PUT /_matrix/client/v3/rooms/!a:b/typing/@a:b",
	"!POST /_matrix/client/v3/rooms/!a:b/join",
	"!POST /_matrix/client/v3/join/!a:b",
	"!POST /_matrix/client/v3/knock/!a:b",
	"!POST /_matrix/client/v3/rooms/!a:b/invite",
	"!POST /_matrix/client/v3/rooms/!a:b/leave",
	"!POST /_matrix/client/v3/rooms/!a:b/forget",
	"!POST /_matrix/client/v3/rooms/!a:b/kick",
	"!POST /_matrix/client/v3/rooms/!a:b/ban",
	"!POST /_matrix/client/v3/rooms/!a:b/unban",
	"!POST /_matrix/client/v3/rooms/!a:b/upgrade",
	"!POST /_matrix/client/v3/rooms/!a:b/report",
	"!POST /_matrix/client/v3/rooms/!a:b/report/$x",
	"!POST /_matrix/client/v3/users/@a:b/report",
	"!POST /_matrix/client/v3/createRoom",
	"GET !PUT !POST /_matrix/client/unstable/org.matrix.msc4140/delayed_events/1",
	"GET !PUT !DELETE /_matrix/client/v3/user/@a:b/rooms/!a:b/tags/x",
	"GET !PUT /_matrix/client/v3/user/@a:b/rooms/!a:b/account_data/m.fully_read",
	"GET !PUT /_matrix/client/v3/user/@a:b/account_data/m.direct",
	"GET !PUT /_matrix/client/v3/user/@a:b/account_data/m.secret_storage.",
	"GET !PUT /_matrix/client/v3/user/@a:b/account_data/%6d.secret_storage.x",
	"GET PUT /_matrix/client/v3/user/@a:b/account_data/m.secret_storage.default_key",
	"GET PUT /_matrix/client/v3/user/@a:b/account_data/m.secret_storage.key.abc",
	"GET PUT /_matrix/client/v3/user/@a:b/account_data/m.cross_signing.master",
	"GET PUT /_matrix/client/v3/user/@a:b/account_data/m.megolm_backup.v1",
	"!POST /_matrix/client/v3/user/@a:b/openid/request_token",
	"GET !PUT !DELETE /_matrix/client/v3/profile/@a:b/displayname",
	"GET !PUT !DELETE /_matrix/client/v3/profile/@a:b/avatar_url",
	"GET /_matrix/client/v3/profile/@a:b",
	"GET !PUT /_matrix/client/v3/presence/@a:b/status",
	"GET !PUT !POST !DELETE /_matrix/client/v3/pushrules/global/override/x",
	"GET /_matrix/client/v3/pushers",
	"!POST /_matrix/client/v3/pushers/set",
	"GET /_matrix/client/v3/voip/turnServer",
	"GET /_matrix/client/v3/thirdparty/protocols",

	"GET /_matrix/client/v3/devices",
	"GET !PUT DELETE /_matrix/client/v3/devices/ABC",
	"POST /_matrix/client/v3/delete_devices",
	"PUT /_matrix/client/v3/sendToDevice/m.room_key_request/1",
	"PUT /_matrix/client/v3/sendToDevice/m.key.verification.start/1",
	"!POST /_matrix/client/v3/sendToDevice/m.room_key_request/1",
	"POST /_matrix/client/v3/keys/upload",
	"!POST /_matrix/client/v3/keys/upload/ABC/more",
	"POST /_matrix/client/v3/keys/query",
	"POST /_matrix/client/v3/keys/claim",
	"GET /_matrix/client/v3/keys/changes",
	"POST /_matrix/client/v3/keys/signatures/upload",
	"POST /_matrix/client/v3/keys/device_signing/upload",
	"POST /_matrix/client/unstable/keys/device_signing/upload",
	"GET POST /_matrix/client/v3/room_keys/version",
	"GET PUT DELETE /_matrix/client/v3/room_keys/version/1",
	"GET PUT DELETE /_matrix/client/v3/room_keys/keys",
	"GET PUT DELETE /_matrix/client/v3/room_keys/keys/!a:b/session",
	"GET PUT DELETE /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device",
	"POST /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/ABC/events",

	"GET /_matrix/client/v1/media/config",
	"GET /_matrix/client/v1/media/download/a/b",
	"GET /_matrix/client/v1/media/download/a/b/c.png",
	"GET /_matrix/client/v1/media/thumbnail/a/b",
	"!GET /_matrix/client/v1/media/preview_url",
	"!POST /_matrix/client/v1/media/upload",
	"GET /_matrix/media/v3/config",
	"GET /_matrix/media/v3/download/a/b",
	"GET /_matrix/media/v3/thumbnail/a/b",
	"!GET /_matrix/media/v3/preview_url",
	"!POST /_matrix/media/v3/upload",
	"!PUT /_matrix/media/v3/upload/a/b",
	"!POST /_matrix/media/v1/create",

	"GET !POST /_matrix/client/v3/admin/whois/@a:b",
	"GET !PUT /_matrix/client/unstable/org.example.unheard/of",
	"!POST /_matrix/client/unstable/org.example.unheard/rooms/keys/upload",
	"GET /_synapse/client/pick_idp",
	"GET POST /_synapse/client/oidc/callback",
	"POST /_synapse/client/oidc/backchannel_logout",
}

func TestRestrictedTable(t *testing.T) {
	t.Parallel()
	written := map[string]bool{}
	for _, line := range endpoints {
		words := strings.Fields(line)
		path := words[len(words)-1]
		for _, spelled := range versions(path) {
			got, ok := readTarget(spelled)
			if !ok {
				t.Errorf("%s does not pass the edge at all", spelled)
				continue
			}
			for _, word := range words[:len(words)-1] {
				method, refused := strings.CutPrefix(word, "!")
				if restricts(got, method) != refused {
					t.Errorf("%s %s: refused %v", method, spelled, !refused)
				}
				for _, write := range restrictedWrites {
					if got.names.is(write.path) && hasWord(write.methods, method) && !refused {
						written[write.path] = true
					}
				}
			}
			for _, method := range []string{http.MethodPatch, "BREW"} {
				if !restricts(got, method) && !got.synapsePage() {
					t.Errorf("%s %s passes", method, spelled)
				}
			}
			if restricts(got, http.MethodOptions) {
				t.Errorf("a preflight of %s is refused", spelled)
			}
		}
	}
	for _, write := range restrictedWrites {
		if !written[write.path] {
			t.Errorf("%s %s is allowed, and no endpoint here is it", write.methods, write.path)
		}
	}
}

// versions spells a path as both engines take it: Synapse and Dendrite serve r0 beside v3, and much under unstable.
func versions(path string) []string {
	all := []string{path}
	if strings.Contains(path, "/v3/") {
		all = append(all, strings.Replace(path, "/v3/", "/r0/", 1), strings.Replace(path, "/v3/", "/unstable/", 1), strings.Replace(path, "/v3/", "/v1/", 1))
	}
	return all
}

// What is spelled as an allowed name but is not one gets no further.
func TestRestrictedIsLiteral(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"/_matrix/client/v3/Login", "/_matrix/client/v3/login/", "/_matrix/client/v3/login/x", "/_matrix/client/v3/keys", "/_matrix/client/v3/keys/upload/",
		"/_matrix/client/v3/keys/%75pload", "/_matrix/client/v3/rooms/login", "/_matrix/client/v3/rooms/!a:b/sync", "/_matrix/client/v3/room_keys",
		"/_matrix/client/unstable/rooms/login", "/_matrix/client/unstable/org.example/%6cogin", "/_matrix/client/v3/user/@a:b/filter/x/y",
		"/_matrix/client/v3/org.matrix.msc3814.v1/dehydrated_device",
	} {
		if got, ok := readTarget(raw); ok && !restricts(got, http.MethodPost) {
			t.Errorf("POST %s passes", raw)
		}
	}
}
