package images

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"

	imagespec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// user owns nothing in the image and is only the default: each tenant's container runs with a user id of its own.
const user = "65532:65532"

// contents is what goes into an image.
type contents struct {
	recipe recipe
	key    string
	layers []layer
}

// base is the layer beside the program. The directories are those a container's mounts go to: the root is read-only.
func base(certificates []byte) layer {
	return layer{name: "certificate authorities, mount points", entries: []entry{
		directory("config/", 0o755),
		directory("data/", 0o755),
		directory("etc/", 0o755),
		text("etc/group", []byte("root:x:0:\nhafen:x:65532:\n")),
		text("etc/passwd", []byte("root:x:0:0:root:/:/sbin/nologin\nhafen:x:65532:65532:hafen:/:/sbin/nologin\n")),
		directory("etc/ssl/", 0o755),
		directory("etc/ssl/certs/", 0o755),
		text("etc/ssl/certs/ca-certificates.crt", certificates),
		directory("run/", 0o755),
		directory("run/hafen/", 0o755),
		directory("run/postgresql/", 0o755),
		directory("tmp/", 0o1777),
	}}
}

// writeArchive writes what `docker load` reads: an OCI image layout for engines with the containerd store, and beside
// it manifest.json, which every engine since 1.10 understands, naming the same files.
func writeArchive(w io.Writer, reference string, from contents) error {
	entries, err := layout(reference, from)
	if err != nil {
		return err
	}
	if err := writeTar(w, entries); err != nil {
		return fmt.Errorf("write the image archive: %w", err)
	}
	return nil
}

// layout is the list of the archive's files. A layer is read twice, here for its digest and when it is written, and
// never held in memory.
func layout(reference string, from contents) ([]entry, error) {
	entries := []entry{directory("blobs/", 0o755), directory("blobs/sha256/", 0o755)}
	add := func(data []byte, mediaType string) oci.Descriptor {
		name := digest.FromBytes(data)
		entries = append(entries, text(blob(name), data))
		return oci.Descriptor{MediaType: mediaType, Digest: name, Size: int64(len(data))}
	}
	var descriptors []oci.Descriptor
	var paths []string
	for _, l := range from.layers {
		descriptor, err := l.describe()
		if err != nil {
			return nil, fmt.Errorf("write the layer of %s: %w", l.name, err)
		}
		entries = append(entries, entry{path: blob(descriptor.Digest), mode: 0o644, size: descriptor.Size, write: l.write})
		descriptors = append(descriptors, descriptor)
		paths = append(paths, blob(descriptor.Digest))
	}
	config, err := json.Marshal(configuration(from, descriptors))
	if err != nil {
		return nil, fmt.Errorf("write the image's configuration: %w", err)
	}
	about := add(config, oci.MediaTypeImageConfig)
	manifest, err := json.Marshal(oci.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest, Config: about, Layers: descriptors,
	})
	if err != nil {
		return nil, fmt.Errorf("write the image's manifest: %w", err)
	}
	whole := add(manifest, oci.MediaTypeImageManifest)
	_, tag, _ := strings.Cut(reference, ":")
	whole.Annotations = map[string]string{
		"io.containerd.image.name": "docker.io/library/" + reference,
		oci.AnnotationRefName:      tag,
	}
	for _, file := range []struct {
		path    string
		content any
	}{
		{oci.ImageIndexFile, oci.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageIndex, Manifests: []oci.Descriptor{whole}}},
		{oci.ImageLayoutFile, oci.ImageLayout{Version: oci.ImageLayoutVersion}},
		{"manifest.json", []any{map[string]any{"Config": blob(about.Digest), "RepoTags": []string{reference}, "Layers": paths}}},
	} {
		content, err := json.Marshal(file.content)
		if err != nil {
			return nil, fmt.Errorf("write the archive's %s: %w", file.path, err)
		}
		entries = append(entries, text(file.path, content))
	}
	return entries, nil
}

func blob(name digest.Digest) string { return "blobs/sha256/" + name.Encoded() }

// configuration is how a container of the image starts; the provisioner adds its limits and the arguments.
func configuration(from contents, layers []oci.Descriptor) imagespec.DockerOCIImage {
	var about imagespec.DockerOCIImage
	about.Created = &moment
	about.Architecture, about.OS = runtime.GOARCH, "linux"
	about.Config.User = user
	about.Config.Entrypoint = from.recipe.entrypoint
	about.Config.Env = from.recipe.environment
	about.Config.WorkingDir = "/"
	about.Config.Labels = map[string]string{LabelEngine: from.recipe.engine, LabelVersion: from.recipe.version, LabelKey: from.key}
	about.RootFS.Type = "layers"
	for i, l := range from.layers {
		about.RootFS.DiffIDs = append(about.RootFS.DiffIDs, layers[i].Digest)
		about.History = append(about.History, oci.History{Created: &moment, CreatedBy: "hafen image", Comment: l.name})
	}
	return about
}

// layer is one of the archives an image is laid out of.
type layer struct {
	name    string
	entries []entry
}

func (l layer) write(w io.Writer) error { return writeTar(w, l.entries) }

func (l layer) describe() (oci.Descriptor, error) {
	hash := sha256.New()
	var size counter
	if err := l.write(io.MultiWriter(hash, &size)); err != nil {
		return oci.Descriptor{}, err
	}
	return oci.Descriptor{MediaType: oci.MediaTypeImageLayer, Digest: digest.NewDigest(digest.SHA256, hash), Size: int64(size)}, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// writeTar writes entries in their order with everything in the headers fixed.
func writeTar(w io.Writer, entries []entry) error {
	archive := tar.NewWriter(w)
	for _, e := range entries {
		header := tar.Header{Name: e.path, Mode: e.mode, Size: e.size, Linkname: e.link, ModTime: moment, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		switch {
		case strings.HasSuffix(e.path, "/"):
			header.Typeflag = tar.TypeDir
		case e.link != "":
			header.Typeflag = tar.TypeSymlink
		}
		if err := archive.WriteHeader(&header); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		if e.write == nil {
			continue
		}
		if err := e.write(archive); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	return archive.Close()
}
