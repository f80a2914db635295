package edge

import (
	"context"
	"errors"

	"hafen/tenant"
)

// ErrNoChallenge says that no certificate is being ordered under the asked name and token.
var ErrNoChallenge = errors.New("no such challenge")

// Revision marks the content of a [Snapshot]'s parts. The values are the source's own; they are only ever compared for
// equality, and are never empty: the empty string is the revision of what was never loaded.
type Revision struct {
	Routes       string
	Certificates string
	Usage        string
}

// Snapshot is all the edge serves from. After a Load a part whose revision the caller already had is nil.
type Snapshot struct {
	Revision     Revision
	Routes       []tenant.Route
	Certificates []tenant.Certificate // keys in the clear
	Usage        []tenant.StorageUse
}

// Source is where routes and certificates come from. Implementations are safe for concurrent use.
type Source interface {
	// Load returns the parts that differ from have, read in one transaction. It is called every few seconds and at
	// every change, so with nothing new it must cost no more than reading the revisions.
	Load(ctx context.Context, have Revision) (Snapshot, error)

	// Changes hints that Load would return something. Hints may be lost, late or too many: the edge also asks by
	// itself. The channel may stay silent or be closed.
	Changes(ctx context.Context) <-chan struct{}

	// Challenge finds what to answer a certificate authority: by token for HTTP-01 (RFC 8555 section 8.3), by host
	// alone for TLS-ALPN-01 (RFC 8737, token empty). ErrNoChallenge when there is none.
	Challenge(ctx context.Context, host tenant.Domain, token string) (tenant.Challenge, error)
}

// Sealer encrypts the local copy. Context is authenticated with it, so that a sealed thing of another purpose is refused.
type Sealer interface {
	Seal(plain, context []byte) ([]byte, error)
	Open(sealed, context []byte) ([]byte, error)
}

// apply lays the parts that changed over what was known before.
func (s Snapshot) apply(newer Snapshot) Snapshot {
	if newer.Revision.Routes != s.Revision.Routes {
		s.Routes = newer.Routes
	}
	if newer.Revision.Certificates != s.Revision.Certificates {
		s.Certificates = newer.Certificates
	}
	if newer.Revision.Usage != s.Revision.Usage {
		s.Usage = newer.Usage
	}
	s.Revision = newer.Revision
	return s
}
