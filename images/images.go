// Package images makes the container images the tenants run, without a container registry. Dendrite is a static binary,
// compiled from a pinned Go module, on an empty base. Synapse is pinned wheels of PyPI on a Python of the machine's own
// distribution, with just the files of its packages that Synapse needs; there is no shell and no package manager in it.
//
// An image is reproducible. The same inputs (module, Go release, certificate bundle; or wheels, distribution packages,
// certificate bundle) give the same bytes and therefore the same image ID on every machine, so making it again never gives
// tenants a reason to be restarted. The key of an image is a hash of just these inputs; the image carries it as a label,
// and [Recipe.Ensure] is one look-up when an image with the key is there. What was compiled and laid out is kept in a
// cache directory under the same kind of key.
//
// A crash leaves at most an unfinished directory in the cache. An image that a newer one replaces loses its name and stays
// for the containers that use it; `docker image prune` removes it after them.
package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// The engines there are images for.
const (
	Dendrite = "dendrite"
	Synapse  = "synapse"
)

// The releases in the images, the same as in dendrite/go.mod and synapse/requirements.txt (a test compares them).
const (
	DendriteVersion = "v0.15.2"
	SynapseVersion  = "v1.163.2"
)

// Engines lists what there are images for.
func Engines() []string { return []string{Dendrite, Synapse} }

// recipe is how the image of one engine is made and started.
type recipe struct {
	engine, title, version string
	entrypoint             []string
	environment            []string
	plan                   func(Recipe, context.Context) (plan, error)
}

// plan is what will be made: the name of the result in the cache, how to make it there, and how it becomes layers. New
// certificates leave those layers as they are: theirs comes last.
type plan struct {
	key    string
	make   func(ctx context.Context, output string) error
	layers func(made string) ([]layer, error)
}

var recipes = map[string]recipe{
	Dendrite: {
		engine: Dendrite, title: "Dendrite", version: DendriteVersion,
		entrypoint: []string{"/usr/bin/dendrite"}, plan: Recipe.planDendrite,
	},
	Synapse: {
		engine: Synapse, title: "Synapse", version: SynapseVersion,
		entrypoint: []string{"/usr/bin/python3", "-m", "hafen_start"}, environment: synapseEnvironment, plan: Recipe.planSynapse,
	},
}

// Reference is the name under which Docker knows the image of an engine, "" when there is none.
func Reference(engine string) string {
	r, ok := recipes[engine]
	if !ok {
		return ""
	}
	return "hafen-" + r.engine + ":" + r.version
}

// Labels every image carries.
const (
	LabelEngine  = "hafen.engine"         // "dendrite" or "synapse"
	LabelVersion = "hafen.engine.version" // its release
	LabelKey     = "hafen.image.key"      // hash of everything the image is made from
)

// ErrAbsent says that the image has not been built on this machine.
var ErrAbsent = errors.New("the tenant image is missing; mend it with: make images")

// Engine is the part of Docker's client used here.
type Engine interface {
	ImageInspect(ctx context.Context, reference string, options ...client.ImageInspectOption) (image.InspectResponse, error)
	ImagePull(ctx context.Context, reference string, options image.PullOptions) (io.ReadCloser, error)
	ImageLoad(ctx context.Context, archive io.Reader, options ...client.ImageLoadOption) (image.LoadResponse, error)
}

// Find returns the ID ("sha256:...") of the image this release of Hafen starts tenants of the engine from, or ErrAbsent.
func Find(ctx context.Context, docker Engine, engine string) (id string, err error) {
	r, ok := recipes[engine]
	if !ok {
		return "", fmt.Errorf("look for an image of %q: there is no such engine", engine)
	}
	found, err := lookUp(ctx, docker, r, Reference(engine))
	return found.id, err
}

type loaded struct{ id, key string }

func lookUp(ctx context.Context, docker Engine, wanted recipe, reference string) (loaded, error) {
	found, err := docker.ImageInspect(ctx, reference)
	if errdefs.IsNotFound(err) {
		return loaded{}, fmt.Errorf("look for image %s: %w", reference, ErrAbsent)
	}
	if err != nil {
		return loaded{}, fmt.Errorf("look for image %s: %w", reference, err)
	}
	// Anybody may give an image of their own our name.
	if found.Config == nil || found.Config.Labels[LabelEngine] != wanted.engine || found.Config.Labels[LabelVersion] != wanted.version {
		return loaded{}, fmt.Errorf("image %s is not one that Hafen built: %w", reference, ErrAbsent)
	}
	return loaded{id: found.ID, key: found.Config.Labels[LabelKey]}, nil
}

// Recipe says what an image is made from.
type Recipe struct {
	// Engine is one of Engines.
	Engine string
	// Source is the directory images/ of a checkout.
	Source string
	// Cache is a directory for what is compiled and laid out; created when missing.
	Cache string
	// Certificates is the file of trusted certificate authorities, SystemCertificates when empty.
	Certificates string
	// Reference names the image, Reference(Engine) when empty.
	Reference string
	// Log may be nil.
	Log *slog.Logger
}

// SystemCertificates is where Debian and Ubuntu keep the trusted certificate authorities (package ca-certificates).
const SystemCertificates = "/etc/ssl/certs/ca-certificates.crt"

func (r Recipe) withDefaults() (Recipe, error) {
	if r.Certificates == "" {
		r.Certificates = SystemCertificates
	}
	if r.Reference == "" {
		r.Reference = Reference(r.Engine)
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	// Absolute, because the programs called run in other directories.
	for _, directory := range []*string{&r.Source, &r.Cache} {
		absolute, err := filepath.Abs(*directory)
		if err != nil {
			return Recipe{}, fmt.Errorf("find directory %s: %w", *directory, err)
		}
		*directory = absolute
	}
	return r, nil
}

// Ensure returns the ID of the image made from the recipe, and makes and loads it first when the engine has none with
// the same key. Two at once do the same work twice and load the same image.
func (r Recipe) Ensure(ctx context.Context, docker Engine) (id string, err error) {
	r, err = r.withDefaults()
	if err != nil {
		return "", err
	}
	wanted, plan, err := r.open(ctx)
	if err != nil {
		return "", err
	}
	certificates, err := r.certificates()
	if err != nil {
		return "", err
	}
	key := imageKey(plan.key, certificates)
	found, err := lookUp(ctx, docker, wanted, r.Reference)
	if err == nil && found.key == key {
		return found.id, nil
	}
	if err != nil && !errors.Is(err, ErrAbsent) {
		return "", err
	}
	made, err := r.make(ctx, wanted, plan)
	if err != nil {
		return "", err
	}
	layers, err := plan.layers(made)
	if err != nil {
		return "", err
	}
	if err := r.load(ctx, docker, contents{recipe: wanted, key: key, layers: append(layers, base(certificates))}); err != nil {
		return "", err
	}
	found, err = lookUp(ctx, docker, wanted, r.Reference)
	if err != nil {
		return "", err
	}
	if found.key != key {
		return "", fmt.Errorf("load image %s: the engine has another image under this name", r.Reference)
	}
	return found.id, nil
}

// Make makes what goes into the image and returns its path in the cache. It needs no Docker, so it can run as a user who
// may not use it.
func (r Recipe) Make(ctx context.Context) (path string, err error) {
	r, err = r.withDefaults()
	if err != nil {
		return "", err
	}
	wanted, plan, err := r.open(ctx)
	if err != nil {
		return "", err
	}
	return r.make(ctx, wanted, plan)
}

func (r Recipe) open(ctx context.Context) (recipe, plan, error) {
	wanted, ok := recipes[r.Engine]
	if !ok {
		return recipe{}, plan{}, fmt.Errorf("make an image of %q: there is no such engine", r.Engine)
	}
	p, err := wanted.plan(r, ctx)
	return wanted, p, err
}

// make returns what the plan says from the cache, after making it when it is not there.
func (r Recipe) make(ctx context.Context, wanted recipe, p plan) (path string, err error) {
	path = filepath.Join(r.Cache, wanted.engine+"-"+p.key)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(r.Cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache directory: %w", err)
	}
	r.Log.Info("building the image of "+wanted.title+"; this takes a minute or two, once", "version", wanted.version)
	unfinished, err := os.MkdirTemp(r.Cache, "unfinished-")
	if err != nil {
		return "", fmt.Errorf("build the image of %s: %w", wanted.title, err)
	}
	defer os.RemoveAll(unfinished)
	output := filepath.Join(unfinished, wanted.engine)
	if err := p.make(ctx, output); err != nil {
		return "", fmt.Errorf("build the image of %s %s: %w", wanted.title, wanted.version, err)
	}
	err = os.Rename(output, path)
	if _, made := os.Stat(path); made == nil {
		return path, nil // by another process, maybe: it has made the same
	}
	return "", fmt.Errorf("keep what was built of %s: %w", wanted.title, err)
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
	if err := failure(answer.Body); err != nil {
		return fmt.Errorf("load image %s: %w", r.Reference, err)
	}
	return nil
}

// failure is the one that the engine reports inside an answer.
func failure(answer io.Reader) error {
	for lines := json.NewDecoder(answer); ; {
		var line struct {
			Error string `json:"error"`
		}
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the engine's answer: %w", err)
		}
		if line.Error != "" {
			return errors.New(line.Error)
		}
	}
}
