package docker

import (
	"net/netip"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	dockernetwork "github.com/docker/docker/api/types/network"
	"github.com/docker/go-units"

	"hafen/provisioner/cgroup"
	"hafen/provisioner/network"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Profile is everything a tenant's container is made from. Nothing in it is secret: who may talk to the engine reads it all.
type Profile struct {
	Spec    tenant.Spec
	Command []string
	// Directories of the host, mounted at the paths package homeserver names.
	ConfigDir, DataDir, SocketDir, DatabaseSocketDir string
	TrustFile                                        string      // a file of certificate authorities; may be ""
	Attachment                                       *Attachment // nil: no network at all
}

// Attachment is a tenant's place in the network.
type Attachment struct {
	Bridge  network.Bridge
	Address netip.Addr
	DNS     netip.Addr
}

const (
	// StopSeconds is how long a homeserver may take to end. Dendrite ends in some 100 ms; its longest request is cut.
	StopSeconds = 10

	// Uploads are streamed to the media directory; /tmp holds next to nothing. It counts against the memory limit.
	tempOptions = "rw,noexec,nosuid,nodev,size=16m,mode=1777"

	// The kernel kills a tenant before it kills PostgreSQL, the edge or the login of whoever comes to help.
	oomScore = 500
)

func (p Profile) render(installation string) (*container.Config, *container.HostConfig, *dockernetwork.NetworkingConfig) {
	uid := strconv.Itoa(p.Spec.UID())
	stop := StopSeconds
	config := &container.Config{
		Image:       p.Spec.Image,
		Cmd:         p.Command,
		User:        uid + ":" + uid,
		Hostname:    "homeserver",
		StopTimeout: &stop,
		Labels: map[string]string{
			tenant.LabelTenant:       string(p.Spec.ID),
			tenant.LabelInstallation: installation,
			tenant.LabelRevision:     p.Spec.Revision(),
		},
	}
	if p.TrustFile != "" {
		config.Env = []string{"SSL_CERT_FILE=" + homeserver.TrustFile}
	}
	host := &container.HostConfig{
		// A tenant's process can do nothing the kernel reserves for root, nor become able to: it needs no capability,
		// for it binds no port and changes no owner. The engine's default AppArmor profile stays on, because nothing here
		// turns it off.
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges:true", seccompOption()},
		ReadonlyRootfs: true,
		IpcMode:        container.IPCModeNone,
		CgroupnsMode:   container.CgroupnsModePrivate, // hides the host's tree of control groups
		Tmpfs:          map[string]string{"/tmp": tempOptions},
		OomScoreAdj:    oomScore,
		Init:           new(bool), // one process, that reaps nothing: no init needed
		// Bounded: what a homeserver says must not fill the disk.
		LogConfig:     container.LogConfig{Type: "local", Config: map[string]string{"max-size": "5m", "max-file": "2"}},
		RestartPolicy: restartPolicy(p.Attachment != nil),
		NetworkMode:   "none",
		Resources:     resources(p.Spec.Limits),
		Mounts: []mount.Mount{
			bind(p.ConfigDir, homeserver.ConfigDir, true),
			bind(p.DataDir, homeserver.DataDir, false),
			bind(p.SocketDir, homeserver.SocketDir, false),
			// Read-only keeps a tenant from removing the cluster's socket; connecting to it needs no writing.
			bind(p.DatabaseSocketDir, homeserver.DatabaseSocketDir, true),
		},
	}
	host.Ulimits = []*units.Ulimit{
		// A core file holds keys. Open files stay at the engine's own limit: each costs memory, which is limited, and an
		// engine without CAP_SYS_RESOURCE could not start a container with more.
		{Name: "core", Soft: 0, Hard: 0},
	}
	if p.TrustFile != "" {
		host.Mounts = append(host.Mounts, bind(p.TrustFile, homeserver.TrustFile, true))
	}
	if p.Attachment == nil {
		return config, host, nil
	}
	host.NetworkMode = container.NetworkMode(p.Attachment.Bridge.Name)
	host.DNS = []string{p.Attachment.DNS.String()}
	return config, host, &dockernetwork.NetworkingConfig{EndpointsConfig: map[string]*dockernetwork.EndpointSettings{
		p.Attachment.Bridge.Name: {IPAMConfig: &dockernetwork.EndpointIPAMConfig{IPv4Address: p.Attachment.Address.String()}},
	}}
}

// restartPolicy brings a crashed homeserver back at once, also while Hafen is not running. Not so for a tenant with a
// network: the engine would start it at boot as well, when the firewall is not there yet, and without it the tenant
// reaches what it must not. ("on-failure" is no way out: the engine starts such a container at boot too when it was
// killed with the machine.) Hafen starts it, after the firewall, and learns of a crash from [Engine.Watch].
func restartPolicy(networked bool) container.RestartPolicy {
	if networked {
		return container.RestartPolicy{Name: container.RestartPolicyDisabled}
	}
	return container.RestartPolicy{Name: container.RestartPolicyUnlessStopped}
}

func resources(l tenant.Limits) container.Resources {
	pids := int64(l.PIDs)
	quota, period := cgroup.Bound(l.CPUMillis) // and not NanoCPUs, which comes with a long period
	return container.Resources{
		Memory:     l.MemoryBytes,
		MemorySwap: l.MemoryBytes, // the sum of memory and swap: no swap
		CPUQuota:   quota.Microseconds(),
		CPUPeriod:  period.Microseconds(),
		PidsLimit:  &pids,
	}
}

func limits(r container.Resources) tenant.Limits {
	l := tenant.Limits{MemoryBytes: r.Memory}
	if r.CPUPeriod > 0 {
		l.CPUMillis = int(r.CPUQuota * 1000 / r.CPUPeriod)
	}
	if r.PidsLimit != nil {
		l.PIDs = int(*r.PidsLimit)
	}
	// -1 is what an engine makes of it on a kernel without swap accounting; there is nothing to update then.
	if r.MemorySwap != r.Memory && r.MemorySwap != -1 {
		l.MemoryBytes = 0 // not as we set it
	}
	return l
}

func bind(source, target string, readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeBind, Source: source, Target: target, ReadOnly: readOnly,
		// Nothing mounted later on either side shows on the other.
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
	}
}
