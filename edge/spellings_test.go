package edge

import "strings"

// adminSpellings is every way we know to write a path that must not be reached from outside.
func adminSpellings() []string {
	var list []string
	for _, secret := range []string{
		"_synapse/admin/v1/register", "_synapse/admin/v2/users", "_dendrite/admin/evacuateUser/x", "_synapse/mas/sync_devices", "_synapse/metrics",
		"metrics", "health",
	} {
		list = append(list, plainSpellings(secret)...)
	}
	for _, secret := range []string{"_synapse/admin/v1/register", "metrics"} {
		for _, door := range []string{"/_matrix/client/v3/rooms", "/_matrix/client/v3/login", "/_synapse/client/x", "/_matrix/key/v2/server", "/.well-known/matrix"} {
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
		"/" + strings.ToUpper(secret), "/" + strings.ReplaceAll(secret, "a", "%61"), "/" + strings.ReplaceAll(secret, "/", "%2F"),
		"/" + strings.ReplaceAll(secret, "/", "%2f"), "/" + strings.ReplaceAll(secret, "/", "%252F"), "/" + strings.ReplaceAll(secret, "/", "\\"),
		"/" + strings.ReplaceAll(secret, "/", "//"), "/" + strings.ReplaceAll(secret, "/", ";/"), "/" + strings.ReplaceAll(secret, "/", "/./"),
		"/%5f" + strings.TrimPrefix(secret, "_"), "/%255f" + strings.TrimPrefix(secret, "_"), "\\" + secret, "/\\" + secret, "%2F" + secret, "/%2F" + secret,
		"/" + first + ";x=y" + rest, "/" + first + "%3B" + rest, "/" + first + "%00" + rest, "/" + first + "%20" + rest, "/" + first + "%09" + rest,
		"/" + first + "." + rest, "/;/" + secret, "/..;/" + secret, "/x/../" + secret, "/%2e%2e/" + secret, "/../" + secret,
		"/" + secret + "%00", "/" + secret + ";", "/" + secret + "%23", "/" + secret + "%3f",
	}
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
