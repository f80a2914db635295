package provisioner

import (
	"context"
	"time"

	"hafen/tenant"
)

// Secrets keeps tenants' secrets, encrypted at rest.
type Secrets interface {
	// Load gives all secrets of a tenant by name; none is an empty map, not an error.
	Load(context.Context, tenant.ID) (map[string][]byte, error)
	// Store adds those that are missing and leaves those that exist as they are: a secret in use cannot be changed by
	// a step that is repeated.
	Store(context.Context, tenant.ID, map[string][]byte) error
	Delete(context.Context, tenant.ID) error
}

// Routes keeps what the edge knows of tenants.
type Routes interface {
	// Find gives the zero Route when there is none.
	Find(context.Context, tenant.ID) (tenant.Route, error)
	Publish(context.Context, tenant.Route) error
	// Withdraw of an absent route is no error.
	Withdraw(context.Context, tenant.ID) error
}

// Certificates keeps the edge's certificates.
type Certificates interface {
	// Expiry is the end of validity of the certificate kept under a name; the zero time when there is none.
	Expiry(context.Context, tenant.Domain) (time.Time, error)
	Store(context.Context, tenant.Certificate) error
	// Delete of an absent certificate is no error.
	Delete(context.Context, tenant.Domain) error
}

// Issuer gets a certificate from an authority. Its errors are a [tenant.Failure] where the loop should know more than
// "try again".
type Issuer interface {
	Issue(context.Context, tenant.Domain) (tenant.Certificate, error)
}
