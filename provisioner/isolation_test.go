package provisioner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/miekg/dns"

	"hafen/provisioner"
	"hafen/provisioner/network"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// federatingSite is an installation with room for two bridges, its network removed at the end.
func federatingSite(t *testing.T) *site {
	t.Helper()
	n := rand.IntN(512)
	return newSiteOn(t, network.Plan{
		BridgePrefix: fmt.Sprintf("hfi%03x-", rand.IntN(1<<12)),
		Subnet:       netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 184 + byte(n>>6), byte(n << 2), 0}), 22),
		EdgePorts:    []uint16{443, 8448},
	}, t.TempDir(), shortDir(t))
}

func (s *site) federating(t *testing.T, number int) tenant.Spec {
	t.Helper()
	spec := s.spec(t)
	spec.Settings.Federation, spec.Number = tenant.FederationOpen, number
	s.converge(t, t.Context(), spec)
	return spec
}

func (s *site) address(t *testing.T, spec tenant.Spec) string {
	t.Helper()
	_, address, err := s.config.Network.Place(spec.Number)
	must(t, err)
	c, err := s.docker.ContainerInspect(t.Context(), spec.ID.Container())
	must(t, err)
	for _, endpoint := range c.NetworkSettings.Networks {
		if endpoint.IPAddress != address.String() {
			t.Fatalf("tenant %d has address %s, not %s", spec.Number, endpoint.IPAddress, address)
		}
	}
	return address.String()
}

func (s *site) password(t *testing.T, spec tenant.Spec) string {
	t.Helper()
	kept, err := s.config.Secrets.Load(t.Context(), spec.ID)
	must(t, err)
	return string(kept[homeserver.DatabasePassword])
}

func dsn(role, password, database string) string {
	return fmt.Sprintf("host=%s user=%s password=%s dbname=%s sslmode=disable", homeserver.DatabaseSocketDir, role, password, database)
}

// Three federating tenants, two on one bridge and one on another, and one without a network.
func TestIsolation(t *testing.T) {
	t.Parallel()
	s := federatingSite(t)
	mine, neighbour, other := s.federating(t, 1), s.federating(t, 2), s.federating(t, 501)
	alone := s.spec(t)
	s.converge(t, t.Context(), alone)

	t.Run("network", func(t *testing.T) { s.testNetwork(t, mine, neighbour, other) })
	t.Run("no network", func(t *testing.T) {
		got := s.try(t, alone, attempt{Do: "interfaces"})
		if got[0].Answer != "lo" {
			t.Errorf("a tenant without federation has the interfaces %q", got[0].Answer)
		}
	})
	t.Run("database", func(t *testing.T) { s.testDatabase(t, mine, neighbour) })
	t.Run("files", func(t *testing.T) { s.testFiles(t, mine, neighbour) })
	t.Run("process", func(t *testing.T) {
		for _, spec := range []tenant.Spec{mine, alone} {
			s.testProcess(t, spec)
		}
	})
	t.Run("system calls", func(t *testing.T) { s.testSystemCalls(t, alone) })
	t.Run("profile", func(t *testing.T) {
		for _, spec := range []tenant.Spec{mine, alone} {
			s.testProfile(t, spec)
		}
	})
	t.Run("socket", func(t *testing.T) { s.testSocket(t, mine, neighbour) })
}

func (s *site) testNetwork(t *testing.T, mine, neighbour, other tenant.Spec) {
	world := newElsewhere(t)
	gateway := s.config.Network.Gateway().String()

	// Somebody listens inside the other two, on all addresses.
	var neighbours []string
	for _, spec := range []tenant.Spec{neighbour, other} {
		serve(t, s.inside(t, spec, "0.0.0.0:9999"))
		neighbours = append(neighbours, net.JoinHostPort(s.address(t, spec), "9999"))
	}
	// This host, on every address it has: what a tenant might find there is Docker's API, SSH, PostgreSQL, a dashboard.
	port := strconv.Itoa(int(listener(t, "0.0.0.0:0").Port()))
	echo(t, "0.0.0.0:"+port)
	var host []string
	for _, a := range append(hostAddresses(t), gateway) {
		host = append(host, net.JoinHostPort(a, port))
	}
	edge := []string{listener(t, gateway+":443").String(), listener(t, gateway+":8448").String()}
	serveDNS(t, gateway)
	reachable(t, append(neighbours, host...)...)
	reachable(t, edge...)

	var forbidden []attempt
	for _, a := range host {
		forbidden = append(forbidden, attempt{Do: "tcp", Target: a}, attempt{Do: "udp", Target: a})
	}
	for _, a := range neighbours {
		forbidden = append(forbidden, attempt{Do: "tcp", Target: a})
	}
	for _, a := range world.private {
		forbidden = append(forbidden, attempt{Do: "tcp", Target: world.at(a)})
	}
	forbidden = append(forbidden,
		attempt{Do: "tcp", Target: gateway + ":2375"}, attempt{Do: "tcp", Target: "[::1]:" + port}, attempt{Do: "tcp", Target: "127.0.0.1:" + port},
		attempt{Do: "unix", Target: "/var/run/docker.sock"}, attempt{Do: "unix", Target: "/run/docker.sock"})
	expectRefused(t, s.try(t, mine, forbidden...))

	allowed := []attempt{{Do: "lookup", Target: "peer.example.org"}, {Do: "tcp", Target: world.at(world.public)}}
	for _, a := range edge {
		allowed = append(allowed, attempt{Do: "tcp", Target: a})
	}
	// From both bridges: the gateway's address is the first one's.
	expectAllowed(t, s.try(t, mine, allowed...))
	expectAllowed(t, s.try(t, other, allowed...))

	// From outside into a tenant.
	serve(t, s.inside(t, mine, "0.0.0.0:9998"))
	expectRefused(t, s.try(t, neighbour, attempt{Do: "tcp", Target: net.JoinHostPort(s.address(t, mine), "9998")}))
}

// hostAddresses lists this host's IPv4 addresses outside of its loopback.
func hostAddresses(t *testing.T) []string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	must(t, err)
	var list []string
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		// Those on interfaces of other tests may go any moment.
		if err == nil && prefix.Addr().Is4() && !prefix.Addr().IsLoopback() && prefix.Addr().As4()[0] != 10 && prefix.Addr().As4()[0] != 198 {
			list = append(list, prefix.Addr().String())
		}
	}
	if len(list) == 0 {
		t.Fatal("this host has no address to try")
	}
	return list
}

func serveDNS(t *testing.T, gateway string) {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		answer := new(dns.Msg).SetReply(r)
		if r.Question[0].Qtype == dns.TypeA {
			answer.Answer = append(answer.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
				A:   net.ParseIP(gateway),
			})
		}
		_ = w.WriteMsg(answer)
	})
	for _, kind := range []string{"udp", "tcp"} {
		started := make(chan struct{})
		server := &dns.Server{Addr: gateway + ":53", Net: kind, Handler: handler, NotifyStartedFunc: func() { close(started) }}
		failed := make(chan error, 1)
		go func() { failed <- server.ListenAndServe() }()
		select {
		case <-started:
		case err := <-failed:
			t.Fatalf("listen on %s port 53: %v", gateway, err)
		}
		t.Cleanup(func() { _ = server.Shutdown() })
	}
}

func (s *site) testDatabase(t *testing.T, mine, neighbour tenant.Spec) {
	role, password := mine.ID.Role(), s.password(t, mine)
	got := s.try(t, mine, attempt{Do: "database", Target: dsn(role, password, role)})
	expectAllowed(t, got)
	if got[0].Answer != role {
		t.Errorf("connected to %q", got[0].Answer)
	}
	var forbidden []attempt
	for _, database := range []string{neighbour.ID.Role(), "postgres", "template1", "template0"} {
		forbidden = append(forbidden, attempt{Do: "database", Target: dsn(role, password, database)})
	}
	for _, user := range []string{neighbour.ID.Role(), "hafen", "postgres", "root"} {
		forbidden = append(forbidden, attempt{Do: "database", Target: dsn(user, password, user)},
			attempt{Do: "database", Target: dsn(user, "", role)}, attempt{Do: "database", Target: dsn(user, password, "postgres")})
	}
	expectRefused(t, s.try(t, mine, forbidden...))
}

func (s *site) testFiles(t *testing.T, mine, neighbour tenant.Spec) {
	expectAllowed(t, s.try(t, mine,
		attempt{Do: "write", Target: "/data/note"}, attempt{Do: "write", Target: "/tmp/note"}, attempt{Do: "write", Target: "/run/hafen/note"}))
	forbidden := []attempt{
		{Do: "write", Target: "/note"},
		{Do: "write", Target: "/etc/note"},
		{Do: "write", Target: "/etc/hosts"},
		{Do: "write", Target: "/etc/resolv.conf"},
		{Do: "write", Target: "/config/note"},
		{Do: "remove", Target: "/config/dendrite.yaml"},
		{Do: "write", Target: "/config/dendrite.yaml"},
		{Do: "write", Target: "/run/postgresql/note"},
		{Do: "remove", Target: "/run/postgresql/.s.PGSQL.5432"},
		{Do: "write", Target: "/proc/sys/net/ipv4/ip_forward"},
		{Do: "write", Target: "/sys/fs/cgroup/note"},
		{Do: "write", Target: "/dev/note"},
		{Do: "read", Target: "/proc/1/root/../../etc/shadow"},
		{Do: "read", Target: "/proc/kcore"},
	}
	for _, spec := range []tenant.Spec{mine, neighbour} { // the host's own paths mean nothing in here
		forbidden = append(forbidden,
			attempt{Do: "list", Target: filepath.Join(s.config.DataDir, "tenants", string(spec.ID))},
			attempt{Do: "unix", Target: strings.TrimPrefix(s.Backend(spec), "unix:")})
	}
	expectRefused(t, s.try(t, mine, forbidden...))

	// Even a process that has got out of its container, with nothing but its user id, finds the doors closed.
	for _, path := range []string{
		filepath.Join(s.config.DataDir, "tenants", string(neighbour.ID), "data", "media"),
		filepath.Join(s.config.DataDir, "tenants", string(neighbour.ID), "config", "matrix_key.pem"),
		strings.TrimPrefix(s.Backend(neighbour), "unix:"),
	} {
		command := exec.CommandContext(t.Context(), "/bin/ls", path)
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(mine.UID()), Gid: uint32(mine.UID())}}
		command.Dir = "/"
		if out, err := command.CombinedOutput(); err == nil {
			t.Errorf("another tenant's user sees %s: %s", path, out)
		}
	}
}

// testProcess looks at the homeserver itself, from outside: what the kernel says of it.
func (s *site) testProcess(t *testing.T, spec tenant.Spec) {
	c, err := s.docker.ContainerInspect(t.Context(), spec.ID.Container())
	must(t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.State.Pid))
	must(t, err)
	uid := strconv.Itoa(spec.UID())
	ids := "\t" + strings.Join([]string{uid, uid, uid, uid}, "\t")
	for key, want := range map[string]string{
		"CapInh": "\t0000000000000000", "CapPrm": "\t0000000000000000", "CapEff": "\t0000000000000000", "CapBnd": "\t0000000000000000",
		"CapAmb": "\t0000000000000000", "NoNewPrivs": "\t1", "Seccomp": "\t2", "Uid": ids, "Gid": ids,
	} {
		if !strings.Contains("\n"+string(status), "\n"+key+":"+want+"\n") {
			t.Errorf("%s is not %q", key, strings.TrimSpace(want))
		}
	}
	for _, file := range []string{"cmdline", "environ"} {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", c.State.Pid, file))
		must(t, err)
		s.expectNoSecret(t, spec, file, string(content))
	}
}

// testSystemCalls tries what only the container's seccomp profile keeps a tenant from.
func (s *site) testSystemCalls(t *testing.T, spec tenant.Spec) {
	volume, err := os.OpenRoot(filepath.Join(s.config.DataDir, "tenants", string(spec.ID), "data"))
	must(t, err)
	defer volume.Close()
	program, err := os.ReadFile(probe(t))
	must(t, err)
	must(t, volume.WriteFile("probe", program, 0o755))
	for _, a := range s.tryWithin(t, spec, homeserver.DataDir+"/probe",
		// linux/fs.h: FS_IOC_FSSETXATTR, which takes a directory out of its project, then with bits the kernel does not look
		// at, and FS_IOC_SETFLAGS, after which nothing made in there is in the project.
		attempt{Do: "ioctl", Target: "0x401c5820 " + homeserver.DataDir},
		attempt{Do: "ioctl", Target: "0xf00000401c5820 " + homeserver.DataDir},
		attempt{Do: "ioctl", Target: "0x40086602 " + homeserver.DataDir},
		attempt{Do: "ioctl", Target: "0x40046602 " + homeserver.DataDir},
		// linux/btrfs.h: BTRFS_IOC_SUBVOL_CREATE, which before Linux 6.7 makes one outside of every quota group.
		attempt{Do: "ioctl", Target: "0x5000940e " + homeserver.DataDir},
		attempt{Do: "unshare"},
	) {
		if a.Error != syscall.EPERM.Error() {
			t.Errorf("%s %s: %q", a.Do, a.Target, a.Error)
		}
	}
	// FIONBIO, which every program with sockets may need, and what a terminal would be asked.
	expectAllowed(t, s.tryWithin(t, spec, homeserver.DataDir+"/probe", attempt{Do: "ioctl", Target: "0x5421 /dev/null"}))
	if got := s.tryWithin(t, spec, homeserver.DataDir+"/probe", attempt{Do: "ioctl", Target: "0x5401 /dev/null"}); got[0].Error != syscall.ENOTTY.Error() {
		t.Errorf("no terminal: %q", got[0].Error)
	}
}

// tryWithin lets a process of the container itself try, bound as the homeserver is.
func (s *site) tryWithin(t *testing.T, spec tenant.Spec, program string, list ...attempt) []attempt {
	t.Helper()
	question, err := json.Marshal(list)
	must(t, err)
	made, err := s.docker.ContainerExecCreate(t.Context(), spec.ID.Container(), container.ExecOptions{
		Cmd: []string{program}, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	must(t, err)
	attached, err := s.docker.ContainerExecAttach(t.Context(), made.ID, container.ExecAttachOptions{})
	must(t, err)
	defer attached.Close()
	_, err = attached.Conn.Write(question)
	must(t, err)
	must(t, attached.CloseWrite())
	var out, complaint bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &complaint, attached.Reader)
	must(t, err)
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatalf("run the probe: %v: %s%s", err, out.String(), complaint.String())
	}
	return list
}

func (s *site) testProfile(t *testing.T, spec tenant.Spec) {
	c, raw, err := s.docker.ContainerInspectWithRaw(t.Context(), spec.ID.Container(), false)
	must(t, err)
	s.expectNoSecret(t, spec, "docker inspect", string(raw))
	h := c.HostConfig
	networkMode, restart := "none", "unless-stopped"
	if spec.Outbound() {
		bridge, _, err := s.config.Network.Place(spec.Number)
		must(t, err)
		networkMode, restart = bridge.Name, "no"
	}
	for what, pair := range map[string][2]any{
		"image":        {c.Image, spec.Image},
		"user":         {c.Config.User, fmt.Sprintf("%d:%d", spec.UID(), spec.UID())},
		"capabilities": {fmt.Sprint(h.CapDrop, h.CapAdd), "[ALL] []"},
		"security":     {fmt.Sprintf("%d %.46s", len(h.SecurityOpt), strings.Join(h.SecurityOpt, " ")), "2 no-new-privileges:true seccomp={\"defaultAction"},
		"privileged":   {h.Privileged, false},
		"read-only":    {h.ReadonlyRootfs, true},
		"memory":       {h.Memory, spec.Limits.MemoryBytes},
		"swap":         {h.MemorySwap, spec.Limits.MemoryBytes},
		"processor":    {[3]int64{h.NanoCPUs, h.CPUQuota, h.CPUPeriod}, [3]int64{0, int64(spec.Limits.CPUMillis) * 5, 5000}},
		"processes":    {*h.PidsLimit, int64(spec.Limits.PIDs)},
		"ports":        {len(h.PortBindings) + len(c.NetworkSettings.Ports), 0},
		"publish all":  {h.PublishAllPorts, false},
		"network":      {string(h.NetworkMode), networkMode},
		"namespaces":   {fmt.Sprint(h.PidMode, h.IpcMode, h.UTSMode, h.UsernsMode, h.CgroupnsMode), "noneprivate"},
		"devices":      {len(h.Devices) + len(h.DeviceRequests) + len(h.DeviceCgroupRules), 0},
		"restart":      {string(h.RestartPolicy.Name), restart},
		"log":          {h.LogConfig.Type + h.LogConfig.Config["max-size"] + h.LogConfig.Config["max-file"], "local5m2"},
		"labels":       {fmt.Sprint(c.Config.Labels[tenant.LabelTenant], c.Config.Labels[tenant.LabelInstallation]), string(spec.ID) + s.config.Installation},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
	writable := map[string]bool{}
	for _, m := range c.Mounts {
		writable[m.Destination] = m.RW
		if strings.Contains(m.Source, "docker") {
			t.Errorf("%s is mounted", m.Source)
		}
	}
	want := map[string]bool{"/config": false, "/data": true, "/run/hafen": true, "/run/postgresql": false}
	if fmt.Sprint(writable) != fmt.Sprint(want) {
		t.Errorf("mounts and whether they are writable: %v, want %v", writable, want)
	}
}

// expectNoSecret looks for every secret of the tenant in a text.
func (s *site) expectNoSecret(t *testing.T, spec tenant.Spec, what, text string) {
	t.Helper()
	kept, err := s.config.Secrets.Load(t.Context(), spec.ID)
	must(t, err)
	for name, value := range kept {
		quoted, err := json.Marshal(string(value))
		must(t, err)
		if name != "first_administrator" && strings.Contains(text, strings.Trim(string(quoted), `"`)) {
			t.Errorf("%s shows the secret %s", what, name)
		}
	}
}

// testSocket has a tenant that was taken over lead us, who may open everything, to another's socket.
func (s *site) testSocket(t *testing.T, mine, neighbour tenant.Spec) {
	if observed, err := s.Observe(t.Context(), mine); err != nil || !observed.Healthy {
		t.Fatalf("before: %v, %v", observed.Healthy, err)
	}
	expectAllowed(t, s.try(t, mine, attempt{Do: "link", Target: strings.TrimPrefix(s.Backend(neighbour), "unix:") + " /run/hafen/hs.sock"}))
	if observed, err := s.Observe(t.Context(), mine); err != nil || observed.Healthy {
		t.Errorf("the provisioner followed a tenant's link to another's socket: %v", err)
	}
}

// Without the firewall no container with a network starts.
func TestNoNetworkWithoutFirewall(t *testing.T) {
	t.Parallel()
	s := federatingSite(t)
	spec := s.spec(t)
	spec.Settings.Federation = tenant.FederationOpen
	s.config.Network.EdgePorts = nil // such a table nft refuses
	broken, err := provisioner.New(t.Context(), s.config)
	must(t, err)
	defer broken.Close()
	for _, step := range []tenant.Step{tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles, tenant.CreateContainer} {
		must(t, broken.Apply(t.Context(), spec, step))
	}
	err = broken.Apply(t.Context(), spec, tenant.StartContainer)
	if f := tenant.FailureOf(err); err == nil || f.Code != "firewall_refused" {
		t.Errorf("started without a firewall: %v", err)
	}
	if observed, err := broken.Observe(t.Context(), spec); err != nil || observed.Container != tenant.ContainerStopped {
		t.Errorf("observed %v, %v", observed.Container, err)
	}
}
