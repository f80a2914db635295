package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"

	"hafen/images"
	"hafen/provisioner/cgroup"
	"hafen/provisioner/cluster"
	"hafen/provisioner/disk"
)

func rootCheck(uid int) check {
	return check{"user", func(context.Context) (string, error) {
		if uid != 0 {
			return "", ailment{wrong: "Hafen gives each tenant files of a user id of its own and sets firewall rules, which only root may", mend: "sudo hafen doctor"}
		}
		return "root", nil
	}}
}

func dockerClient(host string) (*client.Client, error) {
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	docker, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, ailment{wrong: err.Error(), mend: "unset DOCKER_HOST"}
	}
	return docker, nil
}

func dockerCheck(host string) check {
	return check{"Docker", func(ctx context.Context) (string, error) {
		docker, err := dockerClient(host)
		if err != nil {
			return "", err
		}
		defer docker.Close()
		version, err := docker.ServerVersion(ctx)
		if err != nil {
			// A docker client without a daemon is the usual trap: `docker --version` works and nothing else does.
			return "", ailment{wrong: fmt.Sprintf("no daemon answers at %s (%v)", docker.DaemonHost(), err), mend: "scripts/setup"}
		}
		return fmt.Sprintf("Engine %s, API %s", version.Version, docker.ClientVersion()), nil
	}}
}

func imageCheck(host, engine string, chosen imageSettings) check {
	return check{"image of " + engine, func(ctx context.Context) (string, error) {
		docker, err := dockerClient(host)
		if err != nil {
			return "", err
		}
		defer docker.Close()
		name := cmp.Or(chosen.named(engine), images.Reference(engine))
		id, err := chosen.findImage(ctx, docker, engine)
		if errors.Is(err, images.ErrAbsent) {
			return "", ailment{wrong: name + " is not there", mend: "make images"}
		}
		if errors.Is(err, images.ErrForeign) {
			return "", ailment{wrong: err.Error(), mend: "name another one, or none: then the image made by `make images` is used"}
		}
		if err != nil {
			return "", ailment{wrong: "Docker does not answer", mend: "scripts/setup, then make images"}
		}
		return name + " " + id, nil
	}}
}

func databaseCheck(dsn string) check {
	return check{"PostgreSQL", func(ctx context.Context) (string, error) {
		var version string
		conn, err := pgx.Connect(ctx, dsn) // its errors never show the password
		if err == nil {
			defer conn.Close(ctx)
			err = conn.QueryRow(ctx, `SELECT current_setting('server_version')`).Scan(&version)
		}
		if err != nil {
			return "", ailment{wrong: err.Error(), mend: "start that server or correct DATABASE_URL; without DATABASE_URL Hafen runs a server of its own"}
		}
		return "server " + version + " at DATABASE_URL", nil
	}}
}

func postgresCheck(dataDir string) check {
	return check{"PostgreSQL", func(context.Context) (string, error) {
		major, dir, err := cluster.Installed(dataDir)
		if err != nil {
			return "", err // it names the package to install
		}
		return fmt.Sprintf("version %d in %s", major, dir), nil
	}}
}

func socketCheck(dir string) check {
	return check{"database socket", func(context.Context) (string, error) {
		if err := cluster.CheckSocketDir(dir); err != nil {
			return "", ailment{wrong: err.Error(), mend: "export HAFEN_DATA=/var/lib/hafen"}
		}
		if err := cluster.CheckReachable(dir); err != nil {
			return "", err // it says what to open
		}
		return dir, nil
	}}
}

func dataCheck(dir string) check {
	return check{"data directory", func(context.Context) (string, error) {
		existing := nearest(dir)
		info, err := os.Stat(existing)
		if err != nil {
			return "", ailment{wrong: err.Error(), mend: "choose another directory in HAFEN_DATA"}
		}
		if !info.IsDir() {
			return "", ailment{wrong: existing + " is a file", mend: "choose another directory in HAFEN_DATA"}
		}
		// Asks the kernel, which knows read-only file systems and access control lists too.
		if err := syscall.Access(existing, 0b011); err != nil {
			return "", ailment{wrong: fmt.Sprintf("cannot write to %s: %v", existing, err), mend: "sudo hafen doctor, or another directory in HAFEN_DATA"}
		}
		return dir, nil
	}}
}

// nearest is dir itself or the first directory above it that exists.
func nearest(dir string) string {
	for dir != "/" {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// enoughDisk is one tenant's first gigabyte and the write-ahead log, which may grow to two (see provisioner/cluster).
const enoughDisk = 3 << 30

func diskCheck(dir string) check {
	return check{"disk", func(context.Context) (string, error) {
		existing := nearest(dir)
		var stat syscall.Statfs_t
		if err := syscall.Statfs(existing, &stat); err != nil {
			return "", ailment{wrong: fmt.Sprintf("measure %s: %v", existing, err), mend: "choose another directory in HAFEN_DATA"}
		}
		free := stat.Bavail * uint64(stat.Bsize)
		said := fmt.Sprintf("%.1f GB free below %s", float64(free)/(1<<30), existing)
		if free < enoughDisk {
			return "", ailment{wrong: fmt.Sprintf("only %s, Hafen wants %d", said, enoughDisk>>30), mend: "docker system prune, or another directory in HAFEN_DATA"}
		}
		return said, nil
	}}
}

func floorCheck(dir string) check {
	return check{"disk limits", func(context.Context) (string, error) {
		existing := nearest(dir)
		found, err := disk.Look(existing)
		if err != nil {
			return "", ailment{wrong: err.Error(), mend: "choose another directory in HAFEN_DATA"}
		}
		if found.Why != "" {
			return "", ailment{
				wrong: existing + ": " + found.Why + ", so a server that writes without being asked is held by nothing but the disk's end",
				mend:  found.Mend, hint: true,
			}
		}
		return found.FileSystem + " keeps each server's volume below its floor", nil
	}}
}

// processorCheck asks whether a tenant's work in the database can be bounded like its container.
func processorCheck(databaseURL string) check {
	return check{"processor limits", func(context.Context) (string, error) {
		if databaseURL != "" {
			return "", ailment{
				wrong: "the database server of DATABASE_URL is not Hafen's to sort: a server that keeps it busy is bounded by its connections alone, and slows down its neighbours",
				mend:  "leave DATABASE_URL empty, and Hafen runs a server of its own", hint: true,
			}
		}
		version, err := cgroup.Available()
		if err != nil {
			return "", ailment{
				wrong: fmt.Sprintf("%v: a server that keeps the database busy is bounded by its connections alone, and slows down its neighbours", err),
				mend:  "mount -t cgroup2 none /sys/fs/cgroup, or run Hafen outside of a container", hint: true,
			}
		}
		return "control groups " + version + " give each server's work in the database its share", nil
	}}
}

// firewallCheck lets nft prepare a table and throw it away, which needs the program, the right and the kernel's part.
func firewallCheck(program string) check {
	return check{"nftables", func(ctx context.Context) (string, error) {
		command := exec.CommandContext(ctx, program, "--check", "--file", "-")
		command.Stdin = strings.NewReader("table inet hafen_doctor {\n chain forward {\n type filter hook forward priority 0;\n }\n}\n")
		output, err := command.CombinedOutput()
		switch {
		case errors.Is(err, exec.ErrNotFound):
			return "", ailment{wrong: "the program nft is missing", mend: "apt-get install nftables"}
		case bytes.Contains(output, []byte("Operation not permitted")):
			return "", ailment{wrong: "setting rules is not permitted", mend: "sudo hafen doctor"}
		case err != nil:
			first, _, _ := bytes.Cut(output, []byte("\n"))
			return "", ailment{wrong: fmt.Sprintf("%v: %s", err, first), mend: "modprobe nf_tables"}
		}
		return "rules can be set", nil
	}}
}

// bridgeCheck: packets between containers on the same bridge pass the firewall only with this setting. Without it one
// tenant could reach another whatever the rules say.
func bridgeCheck(dir string) check {
	return check{"bridge filter", func(context.Context) (string, error) {
		for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
			value, err := os.ReadFile(filepath.Join(dir, name))
			if errors.Is(err, os.ErrNotExist) {
				return "", ailment{wrong: "the kernel module br_netfilter is not loaded", mend: "modprobe br_netfilter"}
			}
			if err != nil {
				return "", ailment{wrong: err.Error(), mend: "sudo hafen doctor"}
			}
			if strings.TrimSpace(string(value)) != "1" {
				return "", ailment{wrong: "net.bridge." + name + " is off, so containers reach each other past the firewall", mend: "sysctl -w net.bridge." + name + "=1"}
			}
		}
		return "packets between containers pass the firewall", nil
	}}
}

func portCheck(port int) check {
	name := "port " + strconv.Itoa(port)
	return check{name, func(ctx context.Context) (string, error) {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", ":"+strconv.Itoa(port))
		if err == nil {
			return "free", listener.Close()
		}
		if errors.Is(err, syscall.EACCES) {
			return "", ailment{wrong: "only root may listen on it", mend: "sudo hafen doctor"}
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return "", ailment{wrong: err.Error(), mend: "ip address show"}
		}
		holder := listenerOn(port)
		switch {
		case filepath.Base(holder.program) == filepath.Base(ownProgram()): // installed here, run from a checkout there
			return fmt.Sprintf("held by the running Hafen (process %d)", holder.pid), nil
		case holder.pid == 0:
			return "", ailment{wrong: "taken by another program", mend: fmt.Sprintf("sudo ss -ltnp 'sport = :%d', then stop what it shows", port)}
		}
		return "", ailment{wrong: fmt.Sprintf("taken by %s (process %d)", filepath.Base(holder.program), holder.pid), mend: fmt.Sprintf("kill %d, or stop its service", holder.pid)}
	}}
}

func loopbackCheck(name string) check {
	return check{"names of the trial", func(ctx context.Context) (string, error) {
		addresses, err := net.DefaultResolver.LookupHost(ctx, name)
		if err != nil {
			// RFC 6761 section 6.3 sends all of .localhost to the loopback address; browsers do it themselves.
			return "", ailment{hint: true, wrong: "browsers know these names, this machine's other programs do not", mend: "apt-get install libnss-myhostname, or curl --resolve"}
		}
		for _, address := range addresses {
			if !net.ParseIP(address).IsLoopback() {
				return "", ailment{hint: true, wrong: fmt.Sprintf("%s is %s and not this machine", name, address), mend: "remove it from /etc/hosts or from your DNS"}
			}
		}
		return name + " is this machine", nil
	}}
}
