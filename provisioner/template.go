package provisioner

import (
	"context"
	"errors"
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
// is there, or somebody else is just making it; made tells. A tenant that is made meanwhile gets an empty database, as one
// does whose engine has no template.
//
// The tables are made by the engine itself: a server of a name that nobody can have is run until it has made them, in a
// container like a tenant's, without a network, and what was its own is removed. What is left of one that was killed on the
// way, the next call removes.
func (p *Provisioner) EnsureTemplate(ctx context.Context, name tenant.EngineName, image string) (made bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, buildPatience)
	defer cancel()
	spec := builderSpec(name, image)
	engine, err := p.engine(spec)
	if err != nil || len(engine.Describe().Schema.Tables) == 0 {
		return false, err
	}
	template := templateOf(spec)
	there, err := p.database.HasTemplate(ctx, template)
	if err != nil {
		return false, classify(err)
	}
	// Once: a process that was killed was not this one, and to list thousands of containers every minute is work.
	if there && p.swept.Load() {
		return false, nil
	}
	left, err := p.builders(ctx)
	if err != nil {
		return false, err
	}
	if there && len(left) == 0 {
		p.swept.Store(true)
		return false, nil
	}
	build, err := p.database.BeginBuild(ctx, template)
	if errors.Is(err, database.ErrBuilding) {
		return false, nil // what is left may be theirs
	}
	if err != nil {
		return false, classify(err)
	}
	defer build.Close(ctx)
	for _, id := range left {
		if err := p.removeBuilder(ctx, id); err != nil {
			return false, classify(err)
		}
	}
	// Again: another may just have made it.
	if there, err = p.database.HasTemplate(ctx, template); there || err != nil {
		return false, classify(err)
	}
	spec.ID = build.ID
	err = p.buildTemplate(ctx, spec, build, engine.Describe().Schema)
	return err == nil, classify(err)
}

// builderSpec is that of a server that makes a template. Its number is no tenant's, for those begin with 1, and so its user is
// none. It has no business on the internet, and so no network.
func builderSpec(engine tenant.EngineName, image string) tenant.Spec {
	quota := tenant.Quota{Seats: 1, StorageBytes: 1 << 30, UploadBytes: 1 << 20}
	return tenant.Spec{
		ServerName: "template.invalid", Host: "template.invalid", // RFC 2606, section 2: nobody's, for ever
		Engine: engine, Image: image, Goal: tenant.GoalRun, Limits: builderLimits, FirstAdmin: "nobody",
		Quota: quota, Settings: tenant.Settings{}.Within(quota),
	}
}

// Copies of a template that wait for a tenant. Two orders in the same moment are rare, and a third is only slower; each takes
// the room of a database, some 10 to 15 MB.
const spares = 2

// EnsureSpares makes copies of a template in advance, so that an order need not wait for one. None as long as there is no
// template. Call it after [Provisioner.SpareTaken], too.
func (p *Provisioner) EnsureSpares(ctx context.Context, engine tenant.EngineName, image string) error {
	return classify(p.database.EnsureSpares(ctx, database.Template{Engine: engine, Image: image}, spares))
}

// SpareTaken tells that a tenant was given a database, which may have been a spare one.
func (p *Provisioner) SpareTaken() <-chan struct{} { return p.taken }

// DropTemplates drops the templates this installation has made, but those of these images by engine, or of all images where
// that is "". Tenants are copies, and need none once they are made.
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

// Steps of a tenant that a server takes before it has made its tables.
var builderSteps = []tenant.Step{
	tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles, tenant.CreateContainer, tenant.StartContainer, tenant.AwaitHealthy,
}

func (p *Provisioner) runBuilder(ctx context.Context, spec tenant.Spec, build *database.Build, schema homeserver.Schema) error {
	do := func(step tenant.Step, act func() error) error {
		step = "template_" + step
		p.config.At(step, false)
		err := act()
		p.config.At(step, true)
		return wrap(string(step), err)
	}
	for _, step := range builderSteps {
		if err := do(step, func() error { return p.Apply(ctx, spec, step) }); err != nil {
			return err
		}
	}
	secrets, err := p.secrets(ctx, spec)
	if err != nil {
		return err
	}
	password := secrets[homeserver.DatabasePassword]
	if err := do("settle", func() error { return build.AwaitSettled(ctx, password, schema) }); err != nil {
		return err
	}
	if err := do("remove", func() error { return p.removeBuilder(ctx, spec.ID) }); err != nil {
		return err
	}
	return do("seal", func() error { return build.Seal(ctx, password, schema, p.config.Installation) })
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
	return p.files.remove(id, 0)
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
