package tenant

import "strings"

// Localpart is the part of a Matrix user id between "@" and ":", of the strict grammar new ids must follow
// (Matrix spec, "User identifiers": a-z 0-9 . _ = - / +), without "/" and "=", which clients show badly.
type Localpart string

// ParseLocalpart reads a local part as a person would type it. Faults: member.empty, member.long, member.letters, member.reserved.
func ParseLocalpart(s string) (Localpart, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	switch {
	case s == "":
		return "", invalidMember("member.empty")
	case len(s) > 64:
		return "", invalidMember("member.long")
	case strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-+") != "" || s[0] == '_':
		return "", invalidMember("member.letters")
	case strings.HasPrefix(s, "hafen-"):
		return "", invalidMember("member.reserved")
	}
	return Localpart(s), nil
}

// ControlAccount is the account through which Hafen manages a homeserver. It takes no seat and no person can log in to it.
const ControlAccount Localpart = "hafen-control"

// UserID is the Matrix id "@localpart:server".
func (l Localpart) UserID(server Domain) string { return "@" + string(l) + ":" + string(server) }

func invalidMember(code string) error { return &Fault{Kind: Invalid, Code: code, Field: "localpart"} }
