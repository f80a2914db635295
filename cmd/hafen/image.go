package main

import (
	"context"
	"fmt"
	"log/slog"

	"hafen/images"
)

// imageCommand is `hafen image`: it makes the images the tenants run, or pulls those the operator names, and prints their IDs.
type imageCommand struct {
	imageSettings
	Source   string `help:"Directory images/ of a checkout of Hafen." default:"images" type:"path"`
	Cache    string `help:"Directory for what is compiled and laid out." default:".cache" env:"HAFEN_CACHE" type:"path"`
	MakeOnly bool   `help:"Only make what goes into the images, which needs no right to use Docker."`
}

// Run does nothing and is fast when the images are there.
func (c imageCommand) Run(ctx context.Context) error {
	if c.MakeOnly {
		for _, engine := range images.Engines() {
			if c.named(engine) != "" {
				continue
			}
			if _, err := c.recipe(engine).Make(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	docker, err := dockerClient("")
	if err != nil {
		return err
	}
	defer docker.Close()
	for _, engine := range images.Engines() {
		name, id, err := c.ensure(ctx, docker, engine)
		if err != nil {
			return err
		}
		fmt.Println(name, id)
	}
	return nil
}

func (c imageCommand) ensure(ctx context.Context, docker images.Engine, engine string) (name, id string, err error) {
	if name = c.named(engine); name != "" {
		id, err = images.Pull(ctx, docker, engine, name)
		return name, id, err
	}
	id, err = c.recipe(engine).Ensure(ctx, docker)
	return images.Reference(engine), id, err
}

func (c imageCommand) recipe(engine string) images.Recipe {
	return images.Recipe{Engine: engine, Source: c.Source, Cache: c.Cache, Log: slog.Default()}
}
