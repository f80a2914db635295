package edge

import "strings"

// adminSpellings is every way we know to write a path that must not be reached from outside.
func adminSpellings() []string {
	var list []string
	for _, secret := range []string{
		"_synapse/admin/v1/register", "_synapse/admin/v2/users", "_synapse/admin/v1/server_version", "_dendrite/admin/evacuateUser/x",
		"_dendrite/monitor/health", "_synapse/mas/sync_devices", "_synapse/mas/delete_user", "_synapse/metrics", "_synapse/replication/fed_send_edu",
		"_synapse/client/password_reset/email/submit_token", "_synapse/client/unsubscribe", "_synapse/client/sso_register",
		"_synapse/client/pick_username/submit", "_synapse/client/new_user_consent", "_synapse/client/rendezvous/x", "_synapse/jwks",
		"_matrix/client/r0/admin/register", "_matrix/client/unstable/admin/users", "metrics", "health",
	} {
		list = append(list, plainSpellings(secret)...)
	}
	// A target may be a whole address (RFC 9112 section 3.2.2), and what a proxy makes of it is another question yet.
	for _, secret := range []string{"_synapse/admin/v1/register", "_synapse/mas/sync_devices", "metrics", "health", "_matrix/client/versions"} {
		for _, origin := range []string{
			"https://alpha.example.org", "HTTPS://alpha.example.org:443", "http://localhost", "https://x", "//alpha.example.org", "unix:", "https:",
			"https://alpha.example.org@localhost", "https:///", "http://alpha.example.org?", "http://alpha.example.org#",
		} {
			list = append(list, origin+"/"+secret)
		}
	}
	list = append(list, "*", "alpha.example.org:443", "?", "#", "?/_synapse/admin/v1/register", ";/_synapse/admin/v1/register")
	for _, secret := range []string{"_synapse/admin/v1/register", "_synapse/mas/sync_devices", "metrics"} {
		for _, door := range []string{
			"/_matrix/client/v3/rooms", "/_matrix/client/v3/login", "/_matrix/media/v3/download", "/_synapse/client/pick_idp",
			"/_synapse/client/oidc/callback", "/_matrix/key/v2/server", "/.well-known/matrix",
		} {
			list = append(list, climbingSpellings(door, secret)...)
		}
	}
	return list
}

// plainSpellings writes the path itself in other ways.
func plainSpellings(secret string) []string {
	first, rest, _ := strings.Cut(secret, "/")
	if rest != "" {
		rest = "/" + rest
	}
	return []string{
		"/" + secret, "//" + secret, "///" + secret, "/./" + secret, "/%2e/" + secret, "/" + secret + "/", "/" + secret + "?x=1",
		"/" + strings.ToUpper(secret), "/" + mixed(secret), "/" + strings.ReplaceAll(secret, "a", "%61"), "/" + strings.ReplaceAll(secret, "/", "%2F"),
		"/" + strings.ReplaceAll(secret, "/", "%2f"), "/" + strings.ReplaceAll(secret, "/", "%252F"), "/" + strings.ReplaceAll(secret, "/", "\\"),
		"/" + strings.ReplaceAll(secret, "/", "//"), "/" + strings.ReplaceAll(secret, "/", ";/"), "/" + strings.ReplaceAll(secret, "/", "/./"),
		"/%5f" + strings.TrimPrefix(secret, "_"), "/%255f" + strings.TrimPrefix(secret, "_"), "\\" + secret, "/\\" + secret, "%2F" + secret, "/%2F" + secret,
		"/" + first + ";x=y" + rest, "/" + first + "%3B" + rest, "/" + first + "%00" + rest, "/" + first + "%20" + rest, "/" + first + "%09" + rest,
		"/" + first + "." + rest, "/;/" + secret, "/..;/" + secret, "/x/../" + secret, "/%2e%2e/" + secret, "/../" + secret,
		"/" + secret + "%00", "/" + secret + ";", "/" + secret + "%23", "/" + secret + "%3f",
	}
}

// mixed writes every second letter large.
func mixed(s string) string {
	b := []byte(s)
	for i := 0; i < len(b); i += 2 {
		if b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// climbingSpellings goes through an open door and back out.
func climbingSpellings(door, secret string) []string {
	up := strings.Count(door, "/")
	var list []string
	for _, step := range []string{
		"..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "%25252e%25252e", "..;", "..;x=y", "..%3B", "..%253B", "..%00", "..%20", "%20..",
		"%c0%ae%c0%ae", "..%0d", "..%09", "..\\", "..%5c", "..%255c",
	} {
		for _, slash := range []string{"/", "//", "%2F", "%2f", "%252F", "\\", "%5C", "/./", "/;/"} {
			list = append(list, door+slash+strings.Repeat(step+slash, up)+secret)
		}
	}
	return list
}
