package fake

import (
	"context"
	"fmt"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Names of the secrets of this world.
const (
	passwordName = homeserver.DatabasePassword
	tokenName    = homeserver.ControlToken
)

// act does a step. Those that only touch a port come first.
func (w *World) act(ctx context.Context, spec tenant.Spec, step tenant.Step) error {
	switch step {
	case tenant.CreateSecrets:
		return w.config.Secrets.Store(ctx, spec.ID, map[string][]byte{passwordName: []byte("secret")})
	case tenant.RemoveSecrets:
		return w.config.Secrets.Delete(ctx, spec.ID)
	case tenant.IssueCertificate:
		certificate, err := w.config.Issuer.Issue(ctx, spec.Host)
		if err != nil {
			return err
		}
		return w.config.Certificates.Store(ctx, certificate)
	case tenant.RemoveCertificate:
		return w.config.Certificates.Delete(ctx, spec.Host)
	case tenant.PublishRoute:
		return w.config.Routes.Publish(ctx, spec.Route(w.Backend(spec)))
	case tenant.WithdrawRoute:
		return w.config.Routes.Withdraw(ctx, spec.ID)
	case tenant.CreateAdministrator:
		return w.createAdministrator(ctx, spec)
	}
	secrets, err := w.config.Secrets.Load(ctx, spec.ID)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of(spec.ID).act(spec, step, len(secrets) > 0)
}

func (w *World) createAdministrator(ctx context.Context, spec tenant.Spec) error {
	w.mu.Lock()
	o := w.of(spec.ID)
	if !o.healthy() {
		w.mu.Unlock()
		return &tenant.Failure{Disposition: tenant.Retry, Code: "server_silent", Err: errNotReady}
	}
	_ = o.accounts.create(homeserver.NewAccount{Localpart: spec.FirstAdmin}, w.config.Now()) // there already: fine
	token := o.accounts.begin(tenant.ControlAccount)
	w.mu.Unlock()
	return w.config.Secrets.Store(ctx, spec.ID, map[string][]byte{tokenName: []byte(token)})
}

// act does what concerns the objects alone.
func (o *objects) act(spec tenant.Spec, step tenant.Step, secrets bool) error {
	revision := spec.Revision()
	switch step {
	case tenant.CreateDatabase:
		return o.needing(secrets, func() { o.role, o.database = true, true })
	case tenant.WriteFiles:
		return o.needing(secrets, func() { o.files, o.leftovers = revision, true })
	case tenant.CreateContainer:
		return o.needing(o.leftovers, func() {
			if o.container == tenant.ContainerAbsent || o.revision != revision {
				o.container, o.revision = tenant.ContainerStopped, revision
			}
			o.limits = spec.Limits
		})
	case tenant.UpdateLimits:
		return o.needing(o.container != tenant.ContainerAbsent, func() { o.limits = spec.Limits })
	case tenant.StartContainer:
		return o.needing(o.container != tenant.ContainerAbsent && o.files != "", func() {
			if o.container == tenant.ContainerStopped {
				o.container, o.loaded = tenant.ContainerRunning, o.files
				o.starts++
			}
		})
	case tenant.AwaitHealthy:
		return o.needing(o.healthy(), func() {})
	case tenant.StopContainer:
		if o.container == tenant.ContainerRunning {
			o.container = tenant.ContainerStopped
		}
	case tenant.RemoveContainer:
		o.container, o.revision, o.loaded, o.limits = tenant.ContainerAbsent, "", "", tenant.Limits{}
	case tenant.DropDatabase:
		o.role, o.database, o.accounts = false, false, newAccounts()
	case tenant.RemoveFiles:
		o.files, o.leftovers = "", false
	default:
		return &tenant.Failure{Disposition: tenant.Stop, Code: "step_unknown", Err: fmt.Errorf("no step is called %q", step)}
	}
	return nil
}

func (o *objects) needing(there bool, do func()) error {
	if !there {
		return errNotReady
	}
	do()
	return nil
}
