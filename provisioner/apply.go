package provisioner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"hafen/provisioner/database"
	"hafen/provisioner/docker"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// action is what a step does, and how long it may take.
type action struct {
	do       func(*Provisioner, context.Context, tenant.Spec) error
	patience time.Duration
}

// A loaded machine takes a second for what takes 50 ms on an idle one; ten are enough for a step that only asks the
// engine or the cluster for something.
const short = 30 * time.Second

var actions = map[tenant.Step]action{
	tenant.CreateSecrets:       {(*Provisioner).createSecrets, short},
	tenant.CreateDatabase:      {(*Provisioner).createDatabase, time.Minute},
	tenant.WriteFiles:          {(*Provisioner).writeFiles, short},
	tenant.IssueCertificate:    {(*Provisioner).issueCertificate, 5 * time.Minute}, // an authority checks from afar, and may make us wait
	tenant.RemoveContainer:     {(*Provisioner).removeContainer, time.Minute},
	tenant.CreateContainer:     {(*Provisioner).createContainer, short},
	tenant.UpdateLimits:        {(*Provisioner).updateLimits, short},
	tenant.StartContainer:      {(*Provisioner).startContainer, short},
	tenant.AwaitHealthy:        {(*Provisioner).awaitHealthy, 90 * time.Second}, // a start after an upgrade migrates the database
	tenant.CreateAdministrator: {(*Provisioner).createAdministrator, short},
	tenant.PublishRoute:        {(*Provisioner).publishRoute, short},
	tenant.WithdrawRoute:       {(*Provisioner).withdrawRoute, short},
	tenant.StopContainer:       {(*Provisioner).stopContainer, time.Minute},
	tenant.DropDatabase:        {(*Provisioner).dropDatabase, time.Minute},
	tenant.RemoveFiles:         {(*Provisioner).removeFiles, 5 * time.Minute}, // hundreds of thousands of media files
	tenant.RemoveCertificate:   {(*Provisioner).removeCertificate, short},
	tenant.RemoveSecrets:       {(*Provisioner).removeSecrets, short},
}

// Apply does one step. Idempotent; an error is a [tenant.Failure].
func (p *Provisioner) Apply(ctx context.Context, spec tenant.Spec, step tenant.Step) error {
	a, known := actions[step]
	if !known {
		return &tenant.Failure{Disposition: tenant.Stop, Code: "step_unknown", Err: fmt.Errorf("no step is called %q", step)}
	}
	// The id becomes part of paths and statements: no way in for one that was not made by us.
	if _, err := tenant.ParseID(string(spec.ID)); err != nil {
		return &tenant.Failure{Disposition: tenant.Stop, Code: "step_unknown", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	return classify(a.do(p, ctx, spec))
}

func (p *Provisioner) createSecrets(ctx context.Context, spec tenant.Spec) error {
	engine, err := p.engine(spec)
	if err != nil {
		return err
	}
	kept, err := p.config.Secrets.Load(ctx, spec.ID)
	if err != nil {
		return wrap("load the secrets", err)
	}
	made := map[string][]byte{}
	for _, name := range missing(kept, engine.Describe().Secrets) {
		if made[name], err = engine.NewSecret(name); err != nil {
			return err
		}
	}
	return wrap("store the secrets", p.config.Secrets.Store(ctx, spec.ID, made))
}

// secrets loads what CreateSecrets has made. Always from the store: of two that ran at once, one lost.
func (p *Provisioner) secrets(ctx context.Context, spec tenant.Spec) (homeserver.Secrets, error) {
	engine, err := p.engine(spec)
	if err != nil {
		return nil, err
	}
	kept, err := p.config.Secrets.Load(ctx, spec.ID)
	if err != nil {
		return nil, wrap("load the secrets", err)
	}
	if absent := missing(kept, engine.Describe().Secrets); len(absent) > 0 {
		return nil, &tenant.Failure{Disposition: tenant.Retry, Code: "secrets_absent", Err: fmt.Errorf("secrets are missing: %v", absent)}
	}
	return kept, nil
}

func (p *Provisioner) createDatabase(ctx context.Context, spec tenant.Spec) error {
	secrets, err := p.secrets(ctx, spec)
	if err != nil {
		return err
	}
	if err := p.database.Create(ctx, spec.ID, database.New{
		Password: secrets[homeserver.DatabasePassword], Connections: spec.Limits.DatabaseConnections, Template: templateOf(spec),
	}); err != nil {
		return err
	}
	select {
	case p.taken <- struct{}{}:
	default: // told, and not yet heard
	}
	return nil
}

func (p *Provisioner) writeFiles(ctx context.Context, spec tenant.Spec) error {
	engine, err := p.engine(spec)
	if err != nil {
		return err
	}
	secrets, err := p.secrets(ctx, spec)
	if err != nil {
		return err
	}
	list, err := engine.Render(homeserver.Setup{
		Spec: spec, Secrets: secrets, EdgeAddresses: p.config.Network.Edge(), TrustFile: p.config.TrustFile != "",
		Hurry: database.Builder(spec.ID),
	})
	if err != nil {
		return err
	}
	return p.files.write(spec, engine.Describe().DataDirs, list)
}

func (p *Provisioner) createContainer(ctx context.Context, spec tenant.Spec) error {
	engine, err := p.engine(spec)
	if err != nil {
		return err
	}
	place, err := p.attachment(spec)
	if err != nil {
		return err
	}
	if place != nil {
		if err := p.docker.EnsureBridge(ctx, place.Bridge); err != nil {
			return err
		}
	}
	// A plan may have changed while there was no container to update.
	if err := p.database.Limit(ctx, spec.ID, spec.Limits.DatabaseConnections); err != nil {
		return err
	}
	found, err := p.docker.Find(ctx, spec.ID)
	if err != nil {
		return err
	}
	if found.State == tenant.ContainerAbsent { // or somebody may be listening: this step can be repeated
		err = p.files.renewSockets(spec)
	}
	if err := errors.Join(err, p.files.limit(spec)); err != nil {
		return err
	}
	return p.docker.Create(ctx, docker.Profile{
		Spec: spec, Command: engine.Describe().Command,
		ConfigDir: p.files.config(spec.ID), DataDir: p.files.own(spec.ID), SocketDir: p.files.sockets(spec.ID),
		DatabaseSocketDir: p.database.SocketDir(), TrustFile: p.config.TrustFile, Attachment: place,
	})
}

func (p *Provisioner) startContainer(ctx context.Context, spec tenant.Spec) error {
	// A container with a network starts behind the firewall or not at all.
	if spec.Outbound() {
		if err := p.EnsureNetwork(ctx); err != nil {
			return err
		}
	}
	return p.docker.Start(ctx, spec.ID)
}

// updateLimits changes what runs, and writes the configuration for the next start: a homeserver reads the size of its
// cache and of its connection pool only then.
func (p *Provisioner) updateLimits(ctx context.Context, spec tenant.Spec) error {
	if err := p.database.Limit(ctx, spec.ID, spec.Limits.DatabaseConnections); err != nil {
		return err
	}
	if err := p.writeFiles(ctx, spec); err != nil { // and the volume's limit
		return err
	}
	// Before the container's own, by which Observe sees whether all of this was done.
	if p.config.Processors != nil {
		if err := p.config.Processors.Ensure(spec.ID.Role(), databaseMillis(spec.Limits.CPUMillis)); err != nil {
			return err
		}
	}
	return p.docker.UpdateLimits(ctx, spec.ID, spec.Limits)
}

// Every 15 ms, because a homeserver is ready 400 ms after its start and somebody waits; asking costs 0.1 ms as long as
// there is no socket. The container is looked at every fortieth time.
const (
	readyInterval = 15 * time.Millisecond
	lookEvery     = 40
)

func (p *Provisioner) awaitHealthy(ctx context.Context, spec tenant.Spec) error {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for i := 1; ; i++ {
		err := p.ready(ctx, spec)
		if err == nil {
			return nil
		}
		if i%lookEvery == 0 {
			if err := p.checkRunning(ctx, spec); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return &tenant.Failure{Disposition: tenant.Retry, Code: "server_silent", Err: errors.Join(ctx.Err(), err)}
		case <-tick.C:
		}
	}
}

func (p *Provisioner) checkRunning(ctx context.Context, spec tenant.Spec) error {
	c, err := p.docker.Find(ctx, spec.ID)
	if err != nil {
		return err
	}
	if c.State == tenant.ContainerRunning && !c.Crashed {
		return nil
	}
	err = fmt.Errorf("the container is %s, its last exit code %d", c.State, c.ExitCode)
	if c.Killed {
		return &tenant.Failure{Disposition: tenant.Retry, Code: "server_out_of_memory", Err: err}
	}
	return &tenant.Failure{Disposition: tenant.Retry, Code: "server_crashed", Err: err}
}

var administratorSecrets = []string{homeserver.ControlToken, administrator}

// createAdministrator makes the control account and the customer's first administrator. The latter has no
// password: they set their own by a link. They are no administrator of the homeserver itself: its admin API does not pass
// the edge, so the right would serve nobody but whoever finds a way around the edge.
func (p *Provisioner) createAdministrator(ctx context.Context, spec tenant.Spec) error {
	secrets, err := p.secrets(ctx, spec)
	if err != nil {
		return err
	}
	server, err := p.connect(spec, secrets)
	if err != nil {
		return err
	}
	var token []byte
	// At once: an engine that hashes passwords takes most of the time for that.
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		token, err = server.CreateControl(groupCtx)
		return err
	})
	group.Go(func() error {
		err := server.Create(groupCtx, homeserver.NewAccount{Localpart: spec.FirstAdmin})
		if fault, ok := errors.AsType[*tenant.Fault](err); ok && fault.Code == "member.exists" {
			return nil // made before a kill
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return wrap("create the administrator", err)
	}
	return wrap("store the control token", p.config.Secrets.Store(ctx, spec.ID, map[string][]byte{
		homeserver.ControlToken: token, administrator: []byte(spec.FirstAdmin),
	}))
}

func (p *Provisioner) issueCertificate(ctx context.Context, spec tenant.Spec) error {
	certificate, err := p.config.Issuer.Issue(ctx, spec.Host)
	if err != nil {
		return wrap("issue the certificate", err)
	}
	return wrap("store the certificate", p.config.Certificates.Store(ctx, certificate))
}

func (p *Provisioner) publishRoute(ctx context.Context, spec tenant.Spec) error {
	return wrap("publish the route", p.config.Routes.Publish(ctx, spec.Route(p.Backend(spec))))
}

func (p *Provisioner) withdrawRoute(ctx context.Context, spec tenant.Spec) error {
	return wrap("withdraw the route", p.config.Routes.Withdraw(ctx, spec.ID))
}

func (p *Provisioner) stopContainer(ctx context.Context, spec tenant.Spec) error {
	return p.docker.Stop(ctx, spec.ID)
}

func (p *Provisioner) removeContainer(ctx context.Context, spec tenant.Spec) error {
	return p.docker.Remove(ctx, spec.ID)
}

func (p *Provisioner) dropDatabase(ctx context.Context, spec tenant.Spec) error {
	return p.database.Drop(ctx, spec.ID)
}

func (p *Provisioner) removeFiles(_ context.Context, spec tenant.Spec) error {
	return p.files.remove(spec.ID, spec.Number)
}

func (p *Provisioner) removeCertificate(ctx context.Context, spec tenant.Spec) error {
	return wrap("delete the certificate", p.config.Certificates.Delete(ctx, spec.Host))
}

func (p *Provisioner) removeSecrets(ctx context.Context, spec tenant.Spec) error {
	return wrap("delete the secrets", p.config.Secrets.Delete(ctx, spec.ID))
}
