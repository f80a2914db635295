package tenant

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// ID names a tenant for ever and is part of the name of every outside object that belongs to it. It is "t" and
// sixteen letters of lower-case base32: 80 random bits, so ids from two installations on one Docker Engine do not meet.
type ID string

const idLength = 17

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID draws an ID from the operating system's random source.
func NewID() ID {
	var b [10]byte
	rand.Read(b[:]) // never fails: crypto/rand.Read ends the process rather than return an error
	return ID("t" + idEncoding.EncodeToString(b[:]))
}

// ParseID accepts what [NewID] makes and nothing else, so an ID is safe in paths and SQL identifiers.
func ParseID(s string) (ID, error) {
	if len(s) != idLength || s[0] != 't' || strings.Trim(s[1:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", &Fault{Kind: NotFound, Code: "tenant.unknown"}
	}
	return ID(s), nil
}

// Container is the name of the tenant's container.
func (id ID) Container() string { return "hafen-" + string(id) }

// Role is the name of the tenant's database role, and of its database: the cluster's "sameuser" rule needs them equal.
func (id ID) Role() string { return "hs_" + string(id) }

// Labels every container of a tenant carries.
const (
	LabelTenant       = "hafen.tenant"
	LabelInstallation = "hafen.installation"
	LabelRevision     = "hafen.revision"
)
