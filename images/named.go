package images

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// byDigest is a reference that always means the same image. A tag may mean another one tomorrow.
var byDigest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

// ErrForeign says that an image does not claim to be made for Hafen.
var ErrForeign = errors.New("its labels " + LabelEngine + " and " + LabelVersion + " do not say that it is for Hafen")

// CheckNamed reports, as an error, what keeps a reference from naming an image of an operator's own.
func CheckNamed(reference string) error {
	if !byDigest.MatchString(reference) {
		return fmt.Errorf("image %q is not named by its digest, as name@sha256:(64 hexadecimal digits)", reference)
	}
	return nil
}

// FindNamed returns the ID of an image of the operator's own for the engine, instead of the one Find gives. Or ErrAbsent, or ErrForeign.
//
// It must keep to the contract of the images made here: its entrypoint is the homeserver and takes the arguments of the
// engine's Description; it runs as any user, on a read-only root, writing only to the mounted directories and /tmp. By the
// labels hafen.engine and hafen.engine.version it says so.
func FindNamed(ctx context.Context, docker Engine, engine, reference string) (id string, err error) {
	if err := CheckNamed(reference); err != nil {
		return "", err
	}
	found, err := docker.ImageInspect(ctx, reference)
	if errdefs.IsNotFound(err) {
		return "", fmt.Errorf("look for image %s: %w", reference, ErrAbsent)
	}
	if err != nil {
		return "", fmt.Errorf("look for image %s: %w", reference, err)
	}
	if found.Config == nil || found.Config.Labels[LabelEngine] != engine || found.Config.Labels[LabelVersion] == "" {
		return "", fmt.Errorf("image %s is not of %s: %w", reference, engine, ErrForeign)
	}
	return found.ID, nil
}

// Pull is FindNamed, and fetches the image from its registry first when the engine has none. Registries that ask for a
// password are for `docker pull`, which knows it.
func Pull(ctx context.Context, docker Engine, engine, reference string) (id string, err error) {
	id, err = FindNamed(ctx, docker, engine, reference)
	if !errors.Is(err, ErrAbsent) {
		return id, err
	}
	answer, err := docker.ImagePull(ctx, reference, image.PullOptions{})
	if err != nil {
		return "", fmt.Errorf("pull image %s: %w", reference, err)
	}
	defer answer.Close()
	if err := failure(answer); err != nil {
		return "", fmt.Errorf("pull image %s: %w", reference, err)
	}
	return FindNamed(ctx, docker, engine, reference)
}
