package main

import (
	"context"
	"log/slog"
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
}

const (
	// The start of Hafen itself comes first: somebody waits for it.
	templatesAfter = 2 * time.Second
	// How soon a new image is noticed. A look costs a few milliseconds.
	templatesEvery = time.Minute
)

func (k *templateKeeper) run(ctx context.Context) error {
	timer := time.NewTimer(templatesAfter)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		k.look(ctx)
		timer.Reset(templatesEvery)
	}
}

// look fails quietly for an engine whose image is absent: its tenants say so themselves.
func (k *templateKeeper) look(ctx context.Context) {
	current := map[tenant.EngineName]string{}
	for _, engine := range k.engines {
		image, err := k.image(engine)
		if err != nil {
			continue
		}
		current[engine] = image
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
	// Not while an image cannot be had, if only for a moment: its template would have to be made again.
	if len(current) < len(k.engines) {
		return
	}
	if err := k.provisioner.DropTemplates(ctx, current); err != nil && ctx.Err() == nil {
		k.log.WarnContext(ctx, "old templates of the databases stay; will be tried again", "error", err)
	}
}

// templates lists the engines to keep templates for.
func (c controlplaneSettings) templates() []tenant.EngineName {
	var names []tenant.EngineName
	if c.Templates {
		for _, engine := range engines() {
			names = append(names, engine.Describe().Name)
		}
	}
	return names
}
