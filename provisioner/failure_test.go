package provisioner_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	dockernetwork "github.com/docker/docker/api/types/network"

	"hafen/provisioner"
	"hafen/tenant"
)

// with is a provisioner of the same site that differs in one thing.
func (s *site) with(t *testing.T, change func(*provisioner.Config)) *provisioner.Provisioner {
	t.Helper()
	config := s.config
	change(&config)
	p, err := provisioner.New(t.Context(), config)
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func expectFailure(t *testing.T, err error, disposition tenant.Disposition, code string) {
	t.Helper()
	if err == nil {
		t.Errorf("no failure, want %s", code)
		return
	}
	if f := tenant.FailureOf(err); f.Code != code || f.Disposition != disposition {
		t.Errorf("failure %s %s (%v), want %s %s", f.Disposition, f.Code, err, disposition, code)
	}
}

var untilContainer = []tenant.Step{tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles, tenant.CreateContainer}

func (s *site) apply(t *testing.T, spec tenant.Spec, steps ...tenant.Step) {
	t.Helper()
	for _, step := range steps {
		if err := s.Apply(t.Context(), spec, step); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
}

func TestDockerAbsent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	p := s.with(t, func(c *provisioner.Config) { c.DockerHost = "unix:///nowhere/docker.sock" })
	_, err := p.Observe(t.Context(), spec)
	expectFailure(t, err, tenant.Retry, "docker_absent")
	expectFailure(t, p.Apply(t.Context(), spec, tenant.StartContainer), tenant.Retry, "docker_absent")
	// What does not need Docker is done all the same.
	must(t, p.Apply(t.Context(), spec, tenant.CreateSecrets))
	must(t, p.Apply(t.Context(), spec, tenant.CreateDatabase))
}

func TestDatabaseAbsent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	p := s.with(t, func(c *provisioner.Config) { c.Database.DSN = "postgres:///postgres?host=/nowhere" })
	_, err := p.Observe(t.Context(), spec)
	expectFailure(t, err, tenant.Retry, "database_absent")
	must(t, p.Apply(t.Context(), spec, tenant.CreateSecrets))
	expectFailure(t, p.Apply(t.Context(), spec, tenant.CreateDatabase), tenant.Retry, "database_absent")
}

func TestImageAbsent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	spec.Image = "sha256:" + strings.Repeat("0", 64)
	s.apply(t, spec, untilContainer[:3]...)
	expectFailure(t, s.Apply(t.Context(), spec, tenant.CreateContainer), tenant.Retry, "image_absent")
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() { must(t, exec.Command("umount", dir).Run()) })
	_ = os.WriteFile(filepath.Join(dir, "ballast"), bytes.Repeat([]byte("x"), 1<<20), 0o600) // as much as fits
	p := s.with(t, func(c *provisioner.Config) { c.DataDir = dir })
	spec := s.spec(t)
	must(t, p.Apply(t.Context(), spec, tenant.CreateSecrets))
	expectFailure(t, p.Apply(t.Context(), spec, tenant.WriteFiles), tenant.Retry, "disk_full")
	if observed, err := p.Observe(t.Context(), spec); err != nil || observed.Files != "" {
		t.Errorf("half-written files count as %q, %v", observed.Files, err)
	}
	must(t, os.Remove(filepath.Join(dir, "ballast")))
	must(t, p.Apply(t.Context(), spec, tenant.WriteFiles))
	must(t, p.Apply(t.Context(), spec, tenant.RemoveFiles))
}

func TestForeignContainerIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	made, err := s.docker.ContainerCreate(t.Context(), &container.Config{Image: s.image}, nil, nil, nil, spec.ID.Container())
	must(t, err)
	_, err = s.Observe(t.Context(), spec)
	expectFailure(t, err, tenant.Stop, "name_taken")
	s.apply(t, spec, untilContainer[:3]...)
	expectFailure(t, s.Apply(t.Context(), spec, tenant.CreateContainer), tenant.Stop, "name_taken")
	for _, step := range []tenant.Step{tenant.RemoveContainer, tenant.StartContainer, tenant.StopContainer, tenant.UpdateLimits} {
		expectFailure(t, s.Apply(t.Context(), spec, step), tenant.Stop, "name_taken")
	}
	if _, err := s.docker.ContainerInspect(t.Context(), made.ID); err != nil {
		t.Errorf("somebody else's container is gone: %v", err)
	}
	must(t, s.docker.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true}))
}

func TestNetworkTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.config.Network.First()
	made, err := s.docker.NetworkCreate(t.Context(), "foreign-"+first.Name, dockernetwork.CreateOptions{
		Driver: "bridge", IPAM: &dockernetwork.IPAM{Config: []dockernetwork.IPAMConfig{{Subnet: first.Subnet.String()}}},
	})
	must(t, err)
	failure := s.EnsureNetwork(t.Context())
	must(t, s.docker.NetworkRemove(t.Context(), made.ID))
	expectFailure(t, failure, tenant.Retry, "address_taken")
	must(t, s.EnsureNetwork(t.Context()))
}

func TestHomeserverThatCrashes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	s.apply(t, spec, untilContainer...)
	config := filepath.Join(s.config.DataDir, "tenants", string(spec.ID), "config", "dendrite.yaml")
	must(t, os.WriteFile(config, []byte("version: 1\n"), 0o400))
	s.apply(t, spec, tenant.StartContainer)
	began := time.Now()
	expectFailure(t, s.Apply(t.Context(), spec, tenant.AwaitHealthy), tenant.Retry, "server_crashed")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("noticed after %s", took)
	}
	// The change was noticed, so the next pass writes the configuration and starts a new container.
	s.converge(t, t.Context(), spec)
}

func TestHomeserverWithTooLittleMemory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	spec.Limits.MemoryBytes = 12 << 20
	s.apply(t, spec, untilContainer...)
	s.apply(t, spec, tenant.StartContainer)
	expectFailure(t, s.Apply(t.Context(), spec, tenant.AwaitHealthy), tenant.Retry, "server_out_of_memory")
}

// A torn or lost file is found out and written anew.
func TestFilesAreMended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	s.apply(t, spec, tenant.CreateSecrets, tenant.WriteFiles)
	home := filepath.Join(s.config.DataDir, "tenants", string(spec.ID))
	for name, harm := range map[string]func() error{
		"torn":              func() error { return os.Truncate(filepath.Join(home, "config", "dendrite.yaml"), 10) },
		"lost":              func() error { return os.Remove(filepath.Join(home, "config", "matrix_key.pem")) },
		"torn manifest":     func() error { return os.Truncate(filepath.Join(home, "config", "manifest.json"), 5) },
		"no data directory": func() error { return os.Remove(filepath.Join(home, "data", "media")) },
		"no socket directory, as after a reboot": func() error {
			return os.Remove(filepath.Join(s.config.RunDir, string(spec.ID)))
		},
	} {
		must(t, harm())
		if observed, err := s.Observe(t.Context(), spec); err != nil || observed.Files != "" {
			t.Errorf("%s: observed as %q, %v", name, observed.Files, err)
		}
		s.apply(t, spec, tenant.WriteFiles)
		if observed, err := s.Observe(t.Context(), spec); err != nil || observed.Files != spec.Revision() {
			t.Errorf("%s: not mended: %q, %v", name, observed.Files, err)
		}
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	s.apply(t, spec, untilContainer...)
	ids, err := s.Inventory(t.Context())
	must(t, err)
	if len(ids) != 1 || ids[0] != spec.ID {
		t.Errorf("inventory: %v, want %s alone", ids, spec.ID)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, change := range map[string]func(*provisioner.Config){
		"no installation":     func(c *provisioner.Config) { c.Installation = "" },
		"relative directory":  func(c *provisioner.Config) { c.DataDir = "data" },
		"long path":           func(c *provisioner.Config) { c.RunDir = "/" + strings.Repeat("x", 90) },
		"no engine":           func(c *provisioner.Config) { c.Engines = nil },
		"no port":             func(c *provisioner.Config) { c.Issuer = nil },
		"relative trust file": func(c *provisioner.Config) { c.TrustFile = "ca.pem" },
		"no network":          func(c *provisioner.Config) { c.Network.BridgePrefix = "" },
	} {
		config := s.config
		change(&config)
		if p, err := provisioner.New(t.Context(), config); err == nil {
			p.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestWatchTellsOfACrash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ended := make(chan tenant.ID, 16)
	go s.Watch(t.Context(), func(id tenant.ID) { ended <- id })
	spec := s.spec(t)
	s.converge(t, t.Context(), spec)
	// Killed again and again, for the watch may begin after the first time.
	for {
		_ = s.docker.ContainerKill(t.Context(), spec.ID.Container(), "KILL")
		select {
		case id := <-ended:
			if id != spec.ID {
				t.Errorf("told of %s, not of %s", id, spec.ID)
			}
			return
		case <-time.After(100 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("not told of a crash")
		}
	}
}

// A bridge with our name that is not ours, or not as it should be, is not used.
func TestForeignBridgeIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.config.Network.First()
	for name, options := range map[string]dockernetwork.CreateOptions{
		"no label":        {Driver: "bridge"},
		"other addresses": {Driver: "bridge", Labels: map[string]string{tenant.LabelInstallation: s.config.Installation}},
		"lets neighbours talk": {
			Driver: "bridge", Labels: map[string]string{tenant.LabelInstallation: s.config.Installation},
			IPAM: &dockernetwork.IPAM{Config: []dockernetwork.IPAMConfig{{Subnet: first.Subnet.String(), Gateway: first.Address.String()}}},
		},
	} {
		made, err := s.docker.NetworkCreate(t.Context(), first.Name, options)
		must(t, err)
		if err := s.EnsureNetwork(t.Context()); err == nil {
			t.Errorf("%s: used", name)
		}
		must(t, s.docker.NetworkRemove(t.Context(), made.ID))
	}
	must(t, s.EnsureNetwork(t.Context()))
}
