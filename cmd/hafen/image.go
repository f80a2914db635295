package main

import (
	"context"
	"fmt"
	"log/slog"

	"hafen/images"
)

// imageCommand is `hafen image`: it makes the images the tenants run and prints their IDs.
type imageCommand struct {
	Source   string `help:"Directory images/ of a checkout of Hafen." default:"images" type:"path"`
	Cache    string `help:"Directory for what is compiled and laid out." default:".cache" env:"HAFEN_CACHE" type:"path"`
	MakeOnly bool   `help:"Only make what goes into the images, which needs no right to use Docker."`
}

// Run does nothing and is fast when the images are there.
func (c imageCommand) Run(ctx context.Context) error {
	if c.MakeOnly {
		for _, engine := range images.Engines() {
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
		id, err := c.recipe(engine).Ensure(ctx, docker)
		if err != nil {
			return err
		}
		fmt.Println(images.Reference(engine), id)
	}
	return nil
}

func (c imageCommand) recipe(engine string) images.Recipe {
	return images.Recipe{Engine: engine, Source: c.Source, Cache: c.Cache, Log: slog.Default()}
}
