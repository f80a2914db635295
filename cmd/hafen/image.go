package main

import (
	"context"
	"fmt"
	"log/slog"

	"hafen/images"
)

// imageCommand is `hafen image`: it makes the image the tenants run and prints its ID.
type imageCommand struct {
	Source      string `help:"Directory images/ of a checkout of Hafen." default:"images" type:"path"`
	Cache       string `help:"Directory for compiled binaries." default:".cache" env:"HAFEN_CACHE" type:"path"`
	CompileOnly bool   `help:"Only compile the binary, which needs no right to use Docker."`
}

// Run does nothing and is fast when the image is there.
func (c imageCommand) Run(ctx context.Context) error {
	recipe := images.Recipe{Source: c.Source, Cache: c.Cache, Log: slog.Default()}
	if c.CompileOnly {
		_, err := recipe.Compile(ctx)
		return err
	}
	docker, err := dockerClient("")
	if err != nil {
		return err
	}
	defer docker.Close()
	id, err := recipe.Ensure(ctx, docker)
	if err != nil {
		return err
	}
	fmt.Println(id)
	return nil
}
