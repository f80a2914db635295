package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	imagespec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// user owns nothing in the image and is only the default: each tenant's container runs with a user id of its own.
const user = "65532:65532"

// moment is the time of everything in the image, so that making it twice gives the same bytes.
var moment = time.Unix(0, 0).UTC()

// contents is what goes into an image.
type contents struct {
	key          string
	binary       string // path
	certificates []byte
}

// entry is one file or directory of a layer; the path of a directory ends in a slash.
type entry struct {
	path string
	mode int64
	data []byte
}

// base is the layer beside the program. The directories are those a container's mounts go to: the root is read-only.
func base(certificates []byte) []entry {
	return []entry{
		{path: "config/", mode: 0o755},
		{path: "data/", mode: 0o755},
		{path: "etc/", mode: 0o755},
		{path: "etc/group", mode: 0o644, data: []byte("root:x:0:\nhafen:x:65532:\n")},
		{path: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/:/sbin/nologin\nhafen:x:65532:65532:hafen:/:/sbin/nologin\n")},
		{path: "etc/ssl/", mode: 0o755},
		{path: "etc/ssl/certs/", mode: 0o755},
		{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: certificates},
		{path: "run/", mode: 0o755},
		{path: "run/hafen/", mode: 0o755},
		{path: "run/postgresql/", mode: 0o755},
		{path: "tmp/", mode: 0o1777},
	}
}

// writeArchive writes what `docker load` reads: an OCI image layout for engines with the containerd store, and beside
// it manifest.json, which every engine since 1.10 understands, naming the same files.
func writeArchive(w io.Writer, reference string, from contents) error {
	program, err := os.ReadFile(from.binary)
	if err != nil {
		return fmt.Errorf("read the compiled Dendrite: %w", err)
	}
	// The program comes first: new certificates then leave its 40 MB layer as it is.
	var layers [][]byte
	for _, entries := range [][]entry{
		{{path: "usr/", mode: 0o755}, {path: "usr/bin/", mode: 0o755}, {path: "usr/bin/dendrite", mode: 0o755, data: program}},
		base(from.certificates),
	} {
		var layer bytes.Buffer
		if err := writeTar(&layer, entries); err != nil {
			return fmt.Errorf("write a layer: %w", err)
		}
		layers = append(layers, layer.Bytes())
	}
	entries, err := layout(reference, from.key, layers)
	if err != nil {
		return err
	}
	if err := writeTar(w, entries); err != nil {
		return fmt.Errorf("write the image archive: %w", err)
	}
	return nil
}

// layout is the list of the archive's files.
func layout(reference, key string, layers [][]byte) ([]entry, error) {
	entries := []entry{{path: "blobs/", mode: 0o755}, {path: "blobs/sha256/", mode: 0o755}}
	add := func(data []byte, mediaType string) oci.Descriptor {
		name := digest.FromBytes(data)
		entries = append(entries, entry{path: blob(name), mode: 0o644, data: data})
		return oci.Descriptor{MediaType: mediaType, Digest: name, Size: int64(len(data))}
	}
	var descriptors []oci.Descriptor
	var paths []string
	for _, layer := range layers {
		descriptor := add(layer, oci.MediaTypeImageLayer)
		descriptors = append(descriptors, descriptor)
		paths = append(paths, blob(descriptor.Digest))
	}
	config, err := json.Marshal(configuration(key, descriptors))
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
		text, err := json.Marshal(file.content)
		if err != nil {
			return nil, fmt.Errorf("write the archive's %s: %w", file.path, err)
		}
		entries = append(entries, entry{path: file.path, mode: 0o644, data: text})
	}
	return entries, nil
}

func blob(name digest.Digest) string { return "blobs/sha256/" + name.Encoded() }

// configuration is how a container of the image starts; the provisioner adds its limits and the arguments.
func configuration(key string, layers []oci.Descriptor) imagespec.DockerOCIImage {
	var about imagespec.DockerOCIImage
	about.Created = &moment
	about.Architecture, about.OS = runtime.GOARCH, "linux"
	about.Config.User = user
	about.Config.Entrypoint = []string{"/usr/bin/dendrite"}
	about.Config.WorkingDir = "/"
	about.Config.Labels = map[string]string{LabelEngine: "dendrite", LabelVersion: Version, LabelKey: key}
	about.RootFS.Type = "layers"
	for i, name := range []string{"Dendrite " + Version, "certificate authorities, mount points"} {
		about.RootFS.DiffIDs = append(about.RootFS.DiffIDs, layers[i].Digest)
		about.History = append(about.History, oci.History{Created: &moment, CreatedBy: "hafen image", Comment: name})
	}
	return about
}

// writeTar writes entries in their order with everything in the headers fixed.
func writeTar(w io.Writer, entries []entry) error {
	archive := tar.NewWriter(w)
	for _, e := range entries {
		header := tar.Header{Name: e.path, Mode: e.mode, Size: int64(len(e.data)), ModTime: moment, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if strings.HasSuffix(e.path, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(&header); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		if _, err := archive.Write(e.data); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	return archive.Close()
}
