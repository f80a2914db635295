// Package images makes the container images the tenants run, without a container registry: a static binary, compiled
// from a pinned Go module, on an empty base.
//
// An image is reproducible. The same module, Go release and certificate bundle give the same bytes and therefore the
// same image ID on every machine, so making it again never gives tenants a reason to be restarted. The key of an image
// is a hash of just these inputs; the image carries it as a label, and [Recipe.Ensure] is one look-up when an image with
// the key is there. Compiled binaries are kept in a cache directory under the same kind of key.
//
// A crash leaves at most a temporary file in the cache. An image that a newer one replaces loses its name and stays for
// the containers that use it; `docker image prune` removes it after them.
package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Version is the release of Dendrite, the same as in dendrite/go.mod (a test compares them).
const Version = "v0.15.2"

// Reference is the name under which the engine knows the image.
const Reference = "hafen-dendrite:" + Version

// Labels every image carries.
const (
	LabelEngine  = "hafen.engine"         // "dendrite"
	LabelVersion = "hafen.engine.version" // its release
	LabelKey     = "hafen.image.key"      // hash of everything the image is made from
)

// ErrAbsent says that the image has not been built on this machine.
var ErrAbsent = errors.New("the tenant image is missing; mend it with: make images")

// Engine is the part of Docker's client used here.
type Engine interface {
	ImageInspect(ctx context.Context, reference string, options ...client.ImageInspectOption) (image.InspectResponse, error)
	ImageLoad(ctx context.Context, archive io.Reader, options ...client.ImageLoadOption) (image.LoadResponse, error)
}

// Find returns the ID ("sha256:...") of the image this release of Hafen starts tenants from, or ErrAbsent.
func Find(ctx context.Context, docker Engine) (id string, err error) {
	found, err := lookUp(ctx, docker, Reference)
	return found.id, err
}

type loaded struct{ id, key string }

func lookUp(ctx context.Context, docker Engine, reference string) (loaded, error) {
	found, err := docker.ImageInspect(ctx, reference)
	if errdefs.IsNotFound(err) {
		return loaded{}, fmt.Errorf("look for image %s: %w", reference, ErrAbsent)
	}
	if err != nil {
		return loaded{}, fmt.Errorf("look for image %s: %w", reference, err)
	}
	// Anybody may give an image of their own our name.
	if found.Config == nil || found.Config.Labels[LabelEngine] != "dendrite" || found.Config.Labels[LabelVersion] != Version {
		return loaded{}, fmt.Errorf("image %s is not one that Hafen built: %w", reference, ErrAbsent)
	}
	return loaded{id: found.ID, key: found.Config.Labels[LabelKey]}, nil
}

// Recipe says what an image is made from.
type Recipe struct {
	// Source is the directory images/ of a checkout.
	Source string
	// Cache is a directory for compiled binaries; created when missing.
	Cache string
	// Certificates is the file of trusted certificate authorities, SystemCertificates when empty.
	Certificates string
	// Reference names the image, the package's Reference when empty.
	Reference string
	// Log may be nil.
	Log *slog.Logger
}

// SystemCertificates is where Debian and Ubuntu keep the trusted certificate authorities (package ca-certificates).
const SystemCertificates = "/etc/ssl/certs/ca-certificates.crt"

func (r Recipe) withDefaults() Recipe {
	if r.Certificates == "" {
		r.Certificates = SystemCertificates
	}
	if r.Reference == "" {
		r.Reference = Reference
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Ensure returns the ID of the image made from the recipe, and makes and loads it first when the engine has none with
// the same key. Two at once do the same work twice and load the same image.
func (r Recipe) Ensure(ctx context.Context, docker Engine) (id string, err error) {
	r = r.withDefaults()
	binary, err := r.plan(ctx)
	if err != nil {
		return "", err
	}
	certificates, err := r.certificates()
	if err != nil {
		return "", err
	}
	key := imageKey(binary.key, certificates)
	found, err := lookUp(ctx, docker, r.Reference)
	if err == nil && found.key == key {
		return found.id, nil
	}
	if err != nil && !errors.Is(err, ErrAbsent) {
		return "", err
	}
	path, err := r.compile(ctx, binary)
	if err != nil {
		return "", err
	}
	r.Log.Info("loading the tenant image", "image", r.Reference)
	if err := r.load(ctx, docker, contents{key: key, binary: path, certificates: certificates}); err != nil {
		return "", err
	}
	found, err = lookUp(ctx, docker, r.Reference)
	if err != nil {
		return "", err
	}
	if found.key != key {
		return "", fmt.Errorf("load image %s: the engine has another image under this name", r.Reference)
	}
	return found.id, nil
}

// Compile makes the binary alone and returns its path. It needs no Docker, so it can run as a user who may not use it.
func (r Recipe) Compile(ctx context.Context) (path string, err error) {
	r = r.withDefaults()
	binary, err := r.plan(ctx)
	if err != nil {
		return "", err
	}
	return r.compile(ctx, binary)
}

// load streams the archive into the engine. The engine reports a failure inside its answer, whose status is 200.
func (r Recipe) load(ctx context.Context, docker Engine, from contents) error {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(writeArchive(writer, r.Reference, from)) }()
	defer reader.Close()
	answer, err := docker.ImageLoad(ctx, reader, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("load image %s: %w", r.Reference, err)
	}
	defer answer.Body.Close()
	for lines := json.NewDecoder(answer.Body); ; {
		var line struct {
			Error string `json:"error"`
		}
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("load image %s: read the engine's answer: %w", r.Reference, err)
		}
		if line.Error != "" {
			return fmt.Errorf("load image %s: %s", r.Reference, line.Error)
		}
	}
}
