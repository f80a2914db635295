package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"hafen/provisioner"
	"hafen/tenant"
)

// templateKeeper has a template of each engine's database made, which new tenants' databases are copied from, and those of
// images that nobody is given any more dropped.
type templateKeeper struct {
	provisioner *provisioner.Provisioner
	engines     []tenant.EngineName
	image       func(tenant.EngineName) (string, error)
	log         *slog.Logger
	current     map[tenant.EngineName]string // images by engine, at the last look
}

const (
	// The start of Hafen itself comes first: somebody waits for it.
	templatesAfter = 2 * time.Second
	// How soon a new image is noticed. A look costs a few milliseconds.
	templatesEvery = time.Minute
	// The server whose order has taken a spare copy comes first, too.
	sparesAfter = 3 * time.Second
)

func (k *templateKeeper) run(ctx context.Context) error {
	look, refill := time.NewTimer(templatesAfter), time.NewTimer(templatesAfter)
	defer look.Stop()
	defer refill.Stop()
	waiting := true // for refill
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			k.look(ctx)
			k.refill(ctx)
			look.Reset(templatesEvery)
		case <-k.provisioner.SpareTaken():
			if !waiting { // or a stream of orders would put it off for ever
				refill.Reset(sparesAfter)
				waiting = true
			}
		case <-refill.C:
			waiting = false
			k.refill(ctx)
		}
	}
}

func (k *templateKeeper) refill(ctx context.Context) {
	for engine, image := range k.current {
		if err := k.provisioner.EnsureSpares(ctx, engine, image); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "no spare databases: servers start more slowly; will be tried again", "engine", engine, "error", err)
		}
	}
}

// look fails quietly for an engine whose image is absent: its tenants say so themselves.
func (k *templateKeeper) look(ctx context.Context) {
	k.current = map[tenant.EngineName]string{}
	keep := map[tenant.EngineName]string{}
	for _, engine := range k.engines {
		image, err := k.image(engine)
		if err != nil {
			// Its templates stay: if it is absent for a moment only, they would have to be made again.
			keep[engine] = ""
			continue
		}
		k.current[engine], keep[engine] = image, image
		began := time.Now()
		made, err := k.provisioner.EnsureTemplate(ctx, engine, image)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			k.log.WarnContext(ctx, "no template of the databases: servers start more slowly; will be tried again", "engine", engine, "error", err)
		case made:
			k.log.InfoContext(ctx, "template of the databases made", "engine", engine, "took", time.Since(began).Round(time.Millisecond))
		}
	}
	if err := k.provisioner.DropTemplates(ctx, keep); err != nil && ctx.Err() == nil {
		k.log.WarnContext(ctx, "old templates of the databases stay; will be tried again", "error", err)
	}
}

// templates lists the engines to keep templates for, the default one last: the light ones' are made while the first customer
// still fills in a form.
func (c controlplaneSettings) templates() []tenant.EngineName {
	var names []tenant.EngineName
	if c.Templates {
		for _, engine := range slices.Backward(engines()) {
			names = append(names, engine.Describe().Name)
		}
	}
	return names
}
