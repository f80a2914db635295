package main

import (
	"context"
	"errors"
	"time"

	"hafen/images"
	"hafen/tenant"
)

// imageSettings name images of the operator's own.
type imageSettings struct {
	SynapseImage  imageReference `name:"synapse-image" help:"Image of Synapse, as name@sha256:..., instead of the one built here." env:"HAFEN_SYNAPSE_IMAGE"`
	DendriteImage imageReference `name:"dendrite-image" help:"Image of Dendrite, as name@sha256:..., instead of the one built here." env:"HAFEN_DENDRITE_IMAGE"`
}

// imageReference is an image by its digest.
type imageReference string

// UnmarshalText refuses what is no digest when the program starts, not when the first tenant does.
func (r *imageReference) UnmarshalText(text []byte) error {
	*r = imageReference(text)
	return images.CheckNamed(string(text))
}

// named is the image of the operator's own, "" when the one built here is used.
func (s imageSettings) named(engine string) string {
	switch engine {
	case images.Synapse:
		return string(s.SynapseImage)
	case images.Dendrite:
		return string(s.DendriteImage)
	}
	return ""
}

// findImage is the ID of the image that tenants of the engine run.
func (s imageSettings) findImage(ctx context.Context, docker images.Engine, engine string) (string, error) {
	if named := s.named(engine); named != "" {
		return images.FindNamed(ctx, docker, engine, named)
	}
	return images.Find(ctx, docker, engine)
}

func (s imageSettings) imageOf(engine tenant.EngineName) (string, error) {
	docker, err := dockerClient("")
	if err != nil {
		return "", &tenant.Failure{Disposition: tenant.Retry, Code: "docker_absent", Err: err}
	}
	defer docker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id, err := s.findImage(ctx, docker, string(engine))
	if errors.Is(err, images.ErrAbsent) || errors.Is(err, images.ErrForeign) {
		return "", &tenant.Failure{Disposition: tenant.Retry, Code: "image_absent", Err: err}
	}
	if err != nil {
		return "", &tenant.Failure{Disposition: tenant.Retry, Code: "docker_absent", Err: err}
	}
	return id, nil
}
