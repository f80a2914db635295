package provisioner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"hafen/provisioner/database"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// What a server that makes a template may use. It belongs to nobody, and works beside servers that do: one core, so that a
// machine of two goes on serving.
var builderLimits = tenant.Limits{MemoryBytes: 1 << 30, CPUMillis: 1000, PIDs: 256, DatabaseConnections: 10}

// Time for all of it on a loaded machine: a start that makes the tables, and the migrations after it.
const buildPatience = 10 * time.Minute

// EnsureTemplate makes the template that the databases of new tenants with this engine and image are copied from, unless it
// is there, or somebody else is just making it. A tenant that is made meanwhile gets an empty database, as one does whose
// engine has no template.
//
// The tables are made by the engine itself: a server of no name that anybody could have is run until it has made them, in a
// container like a tenant's, without a network, and what was its own is removed. One that was killed on the way is removed
// by the next call.
func (p *Provisioner) EnsureTemplate(ctx context.Context, name tenant.EngineName, image string) error {
	ctx, cancel := context.WithTimeout(ctx, buildPatience)
	defer cancel()
	spec := tenant.Spec{
		ServerName: "template.invalid", Host: "template.invalid", // RFC 2606: nobody's, for ever
		Engine: name, Image: image, Goal: tenant.GoalRun, Limits: builderLimits, FirstAdmin: "nobody",
	}
	engine, err := p.engine(spec)
	if err != nil || len(engine.Describe().Schema.Tables) == 0 {
		return err
	}
	template := templateOf(spec)
	there, err := p.database.HasTemplate(ctx, template)
	if err != nil {
		return classify(err)
	}
	left, err := p.builders(ctx)
	if err != nil || there && len(left) == 0 {
		return classify(err)
	}
	build, err := p.database.BeginBuild(ctx, template)
	if errors.Is(err, database.ErrBuilding) {
		return nil
	}
	if err != nil {
		return classify(err)
	}
	defer build.Close(ctx)
	for _, id := range left {
		if err := p.removeBuilder(ctx, id); err != nil {
			return classify(err)
		}
	}
	if there {
		return nil
	}
	spec.ID = build.ID
	return classify(p.buildTemplate(ctx, spec, build, engine.Describe().Schema))
}

// DropTemplates drops the templates this installation has made, but those of these images by engine. Tenants are copies,
// and need none once they are made.
func (p *Provisioner) DropTemplates(ctx context.Context, but map[tenant.EngineName]string) error {
	var keep []database.Template
	for engine, image := range but {
		keep = append(keep, database.Template{Engine: engine, Image: image})
	}
	return classify(p.database.DropTemplates(ctx, p.config.Installation, keep))
}

func templateOf(spec tenant.Spec) database.Template {
	return database.Template{Engine: spec.Engine, Image: spec.Image}
}

func (p *Provisioner) buildTemplate(ctx context.Context, spec tenant.Spec, build *database.Build, schema homeserver.Schema) error {
	// As a tenant's, but for the secrets: they are gone with this function.
	own := *p
	own.config.Secrets = &draft{}
	remove := func(ctx context.Context) error {
		return errors.Join(own.removeBuilder(ctx, spec.ID), own.database.Drop(ctx, spec.ID))
	}
	if err := own.runBuilder(ctx, spec, build, schema); err != nil {
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), short)
		defer cancel()
		return errors.Join(err, remove(removing))
	}
	return nil
}

func (p *Provisioner) runBuilder(ctx context.Context, spec tenant.Spec, build *database.Build, schema homeserver.Schema) error {
	for _, step := range []tenant.Step{
		tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles, tenant.CreateContainer, tenant.StartContainer, tenant.AwaitHealthy,
	} {
		if err := p.Apply(ctx, spec, step); err != nil {
			return fmt.Errorf("%s for a template: %w", step, err)
		}
	}
	secrets, err := p.secrets(ctx, spec)
	if err != nil {
		return err
	}
	password := secrets[homeserver.DatabasePassword]
	if err := build.AwaitSettled(ctx, password, schema); err != nil {
		return err
	}
	if err := p.removeBuilder(ctx, spec.ID); err != nil {
		return err
	}
	return build.Seal(ctx, password, schema, p.config.Installation)
}

// builders lists the servers that were run to make a template and are still there.
func (p *Provisioner) builders(ctx context.Context) ([]tenant.ID, error) {
	ids, err := p.everything(ctx)
	return slices.DeleteFunc(ids, func(id tenant.ID) bool { return !database.Builder(id) }), err
}

func (p *Provisioner) removeBuilder(ctx context.Context, id tenant.ID) error {
	if err := p.docker.Remove(ctx, id); err != nil {
		return err
	}
	return p.files.remove(id)
}

// draft keeps the secrets of a server that nobody will ever reach.
type draft struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (d *draft) Load(context.Context, tenant.ID) (map[string][]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.kept), nil
}

func (d *draft) Store(_ context.Context, _ tenant.ID, add map[string][]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = maps.Clone(add) // once: by CreateSecrets
	return nil
}

func (d *draft) Delete(context.Context, tenant.ID) error { return nil }
