package provisioner

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"hafen/provisioner/database"
	"hafen/provisioner/docker"
	"hafen/tenant"
)

// administrator is the secret that records who the first administrator is. Not a secret as such, but it says that the
// account was made, and is kept with the token that was made in the same step.
const administrator = "first_administrator"

// Observe finds out what there is of a tenant. Its parts run at once; all of it takes some milliseconds. It changes
// nothing. An error is a [tenant.Failure].
//
// For a tenant that is to be removed, everything counts that exists at all, also what is half made.
func (p *Provisioner) Observe(ctx context.Context, spec tenant.Spec) (tenant.Observed, error) {
	engine, err := p.engine(spec)
	if err != nil {
		return tenant.Observed{}, err
	}
	var (
		o         tenant.Observed
		container docker.Container
		state     database.State
		volume    int64
		about     = engine.Describe()
	)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.observeSecrets(ctx, spec, about.Secrets, &o) })
	group.Go(func() (err error) {
		state, err = p.databaseState(ctx, spec)
		return err
	})
	group.Go(func() (err error) {
		if container, err = p.docker.Find(ctx, spec.ID); err == nil && container.State == tenant.ContainerRunning {
			o.Healthy = spec.Goal == tenant.GoalRun && p.ready(ctx, spec) == nil
		}
		return err
	})
	group.Go(func() (err error) {
		if o.Files, err = p.files.revision(spec.ID, about.DataDirs); err != nil {
			return err
		}
		if o.Leftovers, err = p.files.leftovers(spec.ID); err != nil {
			return err
		}
		volume, err = p.files.limited(spec)
		return err
	})
	group.Go(func() (err error) {
		o.Certificate, err = p.config.Certificates.Expiry(ctx, spec.Host)
		return wrap("look for the certificate", err)
	})
	group.Go(func() (err error) {
		o.Route, err = p.config.Routes.Find(ctx, spec.ID)
		return wrap("look for the route", err)
	})
	if err := group.Wait(); err != nil {
		return tenant.Observed{}, classify(err)
	}
	o.Role, o.Database = state.Role, state.Database
	o.Container, o.Revision, o.Limits = container.State, container.Revision, container.Limits
	if o.Container != tenant.ContainerAbsent {
		o.Limits.DatabaseConnections, o.Limits.DiskBytes = state.Connections, volume
	}
	return o, nil
}

func (p *Provisioner) observeSecrets(ctx context.Context, spec tenant.Spec, names []string, o *tenant.Observed) error {
	kept, err := p.config.Secrets.Load(ctx, spec.ID)
	if err != nil {
		return wrap("load the secrets", err)
	}
	if spec.Goal == tenant.GoalRemove {
		o.Secrets = len(kept) > 0
		return nil
	}
	o.Secrets = len(missing(kept, names)) == 0
	o.Administrator = len(missing(kept, administratorSecrets)) == 0
	return nil
}

func (p *Provisioner) databaseState(ctx context.Context, spec tenant.Spec) (database.State, error) {
	if spec.Goal == tenant.GoalRemove {
		exists, err := p.database.Exists(ctx, spec.ID)
		return database.State{Role: exists, Database: exists}, err
	}
	return p.database.State(ctx, spec.ID)
}

// ready asks the server itself. It needs none of the secrets.
func (p *Provisioner) ready(ctx context.Context, spec tenant.Spec) error {
	server, err := p.connect(spec, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	return server.Ready(ctx)
}

// A tenant that is observed while it hangs must not hold the observer up.
const readyPatience = 2 * time.Second

func missing(kept map[string][]byte, names []string) []string {
	var absent []string
	for _, name := range names {
		if len(kept[name]) == 0 {
			absent = append(absent, name)
		}
	}
	return absent
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
