package fake

import (
	"context"
	"maps"
	"sync"
	"time"

	"hafen/tenant"
)

// Ports keeps secrets, routes and certificates in memory. Its three views are the provisioner's ports.
type Ports struct {
	mu           sync.Mutex
	secrets      map[tenant.ID]map[string][]byte
	routes       map[tenant.ID]tenant.Route
	certificates map[tenant.Domain]tenant.Certificate
}

// NewPorts makes an empty Ports.
func NewPorts() *Ports {
	return &Ports{
		secrets: map[tenant.ID]map[string][]byte{}, routes: map[tenant.ID]tenant.Route{},
		certificates: map[tenant.Domain]tenant.Certificate{},
	}
}

// Secrets in memory.
type Secrets struct{ *Ports }

// Load implements provisioner.Secrets.
func (s Secrets) Load(_ context.Context, id tenant.ID) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := maps.Clone(s.secrets[id])
	if kept == nil {
		kept = map[string][]byte{}
	}
	return kept, nil
}

// Store implements provisioner.Secrets.
func (s Secrets) Store(_ context.Context, id tenant.ID, secrets map[string][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets[id] == nil {
		s.secrets[id] = map[string][]byte{}
	}
	for name, value := range secrets {
		if _, there := s.secrets[id][name]; !there {
			s.secrets[id][name] = value
		}
	}
	return nil
}

// Delete implements provisioner.Secrets.
func (s Secrets) Delete(_ context.Context, id tenant.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.secrets, id)
	return nil
}

// Routes in memory.
type Routes struct{ *Ports }

// Find implements provisioner.Routes.
func (s Routes) Find(_ context.Context, id tenant.ID) (tenant.Route, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.routes[id], nil
}

// Publish implements provisioner.Routes.
func (s Routes) Publish(_ context.Context, r tenant.Route) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes[r.Tenant] = r
	return nil
}

// Withdraw implements provisioner.Routes.
func (s Routes) Withdraw(_ context.Context, id tenant.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.routes, id)
	return nil
}

// Certificates in memory.
type Certificates struct{ *Ports }

// Expiry implements provisioner.Certificates.
func (s Certificates) Expiry(_ context.Context, name tenant.Domain) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.certificates[name].NotAfter, nil
}

// Store implements provisioner.Certificates.
func (s Certificates) Store(_ context.Context, c tenant.Certificate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certificates[c.Host] = c
	return nil
}

// Delete implements provisioner.Certificates.
func (s Certificates) Delete(_ context.Context, name tenant.Domain) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.certificates, name)
	return nil
}

// Issuer issues certificates that hold nothing but an end, ninety days from now.
type Issuer struct{ Now func() time.Time }

// Issue implements provisioner.Issuer.
func (i Issuer) Issue(_ context.Context, name tenant.Domain) (tenant.Certificate, error) {
	return tenant.Certificate{Host: name, NotAfter: i.Now().Add(90 * 24 * time.Hour)}, nil
}

// Left names what is kept for a tenant.
func (p *Ports) Left(spec tenant.Spec) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var left []string
	if _, there := p.secrets[spec.ID]; there {
		left = append(left, "secrets")
	}
	if _, there := p.routes[spec.ID]; there {
		left = append(left, "route")
	}
	if _, there := p.certificates[spec.Host]; there {
		left = append(left, "certificate")
	}
	return left
}
