package provisioner_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"hafen/images"
	"hafen/tenant"
)

// synapseSpec is a new tenant's on Synapse.
func (s *site) synapseSpec(t testing.TB) tenant.Spec {
	t.Helper()
	spec := s.spec(t)
	image, err := images.Recipe{Engine: images.Synapse, Source: "../images", Cache: "../.cache"}.Ensure(t.Context(), s.docker)
	must(t, err)
	spec.Engine, spec.Image = tenant.Synapse, image
	return spec
}

// Whatever keeps Synapse from starting, and however it complains: none of its secrets is in its log, which is an operator's
// to read and a backup's to keep.
func TestSynapseComplainsWithoutSecrets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.synapseSpec(t)
	s.apply(t, spec, tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles, tenant.CreateContainer)
	kept, err := s.config.Secrets.Load(t.Context(), spec.ID)
	must(t, err)
	dir := filepath.Join(s.config.DataDir, "tenants", string(spec.ID), "config")
	wrongPassword := []byte("*:*:*:*:hunter2-the-wrong-one\n")
	for name, wrong := range map[string]func(content []byte) []byte{
		"homeserver.yaml":     func(c []byte) []byte { return append(c, "max_upload_size: nonsense\n"...) },
		"log.yaml":            func(c []byte) []byte { return append(c, "\t: {{{\n"...) },
		"signing.key":         func(c []byte) []byte { return c[:len(c)/2] },
		"registration.secret": func(c []byte) []byte { return append(c, 0xff, 0xfe) },
		"macaroon.secret":     func(c []byte) []byte { return append(c, 0xff, 0xfe) },
		"pgpass":              func([]byte) []byte { return wrongPassword },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			right, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, wrong(bytes.Clone(right)), 0o400))
			defer func() { must(t, os.WriteFile(path, right, 0o400)) }()
			said := s.fails(t, spec)
			for name, secret := range kept {
				if bytes.Contains(said, bytes.TrimSpace(secret)) {
					t.Errorf("it says the %s", name)
				}
			}
			for _, part := range [][]byte{seedOf(kept["synapse_signing_key"])[:20], []byte("hunter2")} {
				if bytes.Contains(said, part) {
					t.Errorf("it says %q", part)
				}
			}
			if len(said) < 40 {
				t.Errorf("it says nothing of what is wrong: %q", said)
			}
		})
	}
}

func seedOf(key []byte) []byte { return bytes.TrimSpace(key[bytes.LastIndexByte(key, ' ')+1:]) }

// fails runs a copy of the tenant's container until it ends, and gives what it says.
func (s *site) fails(t *testing.T, spec tenant.Spec) []byte {
	t.Helper()
	ctx := t.Context()
	original, err := s.docker.ContainerInspect(ctx, spec.ID.Container())
	must(t, err)
	host := *original.HostConfig
	host.RestartPolicy = container.RestartPolicy{}
	made, err := s.docker.ContainerCreate(ctx, original.Config, &host, nil, nil, "")
	must(t, err)
	defer func() { must(t, s.docker.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true})) }()
	ended, failed := s.docker.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	must(t, s.docker.ContainerStart(ctx, made.ID, container.StartOptions{}))
	select {
	case end := <-ended:
		if end.StatusCode == 0 {
			t.Error("it ends as if all were well")
		}
	case err := <-failed:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("it starts")
	}
	stream, err := s.docker.ContainerLogs(ctx, made.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	must(t, err)
	defer stream.Close()
	var said bytes.Buffer
	_, err = stdcopy.StdCopy(&said, &said, stream)
	must(t, err)
	return said.Bytes()
}
