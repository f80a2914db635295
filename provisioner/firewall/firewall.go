// Package firewall keeps tenants' containers from everything but the internet and the two services of this host they
// need: the resolver and the edge.
//
// One nftables table, inet hafen-PREFIX, holds all rules of an installation. It names the bridges of the whole address
// plan beforehand, so it never changes while bridges come and go, and it is replaced whole, in one transaction of the
// kernel: there is no moment with half the rules. A crash leaves the old table or the new one.
//
// The rules only refuse. What they let pass goes on to whatever else filters on this host, Docker's own rules among it.
package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"hafen/provisioner/network"
)

// Firewall guards the bridges of one address plan. Safe for concurrent use.
type Firewall struct {
	plan    network.Plan
	program string

	mu       sync.Mutex
	verified string // the table as the kernel listed it after we set it; "" before
}

// ErrRefused is every error of this package: tenants are not guarded, so no container may be connected.
var ErrRefused = errors.New("firewall")

// ErrUnfiltered says that frames within a bridge do not pass the firewall, so that it would guard nothing there.
var ErrUnfiltered = errors.New("the kernel does not filter traffic within bridges; mend it with: modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1")

// New makes a Firewall. Nothing is set before Ensure.
func New(plan network.Plan) *Firewall { return &Firewall{plan: plan, program: program()} }

// nft lies in sbin, which is not on every user's path.
func program() string {
	if path, err := exec.LookPath("nft"); err == nil {
		return path
	}
	return "/usr/sbin/nft"
}

// Ensure returns nil only when the table is in place and whole: it is set at the first call, and again whenever somebody
// has removed or changed it. Call it before a container is connected, and from time to time.
//
// It must be called after the first bridge exists: the kernel learns to filter within bridges when Docker makes one.
func (f *Firewall) Ensure(ctx context.Context) error {
	if err := filtersBridges(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.verified != "" {
		if listed, err := f.list(ctx); err == nil && listed == f.verified {
			return nil
		}
	}
	f.verified = ""
	if _, err := f.run(ctx, Ruleset(f.plan), "-f", "-"); err != nil {
		return fmt.Errorf("%w: set the table: %w", ErrRefused, err)
	}
	listed, err := f.list(ctx)
	if err != nil {
		return fmt.Errorf("%w: read the table back: %w", ErrRefused, err)
	}
	f.verified = listed
	return nil
}

// Remove takes the table away. An absent one is no error.
func (f *Firewall) Remove(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.verified = ""
	// Added first, because nft refuses to delete what is absent.
	name := Table(f.plan)
	if _, err := f.run(ctx, "add table inet "+name+"\ndelete table inet "+name+"\n", "-f", "-"); err != nil {
		return fmt.Errorf("%w: remove the table: %w", ErrRefused, err)
	}
	return nil
}

func (f *Firewall) list(ctx context.Context) (string, error) {
	return f.run(ctx, "", "list", "table", "inet", Table(f.plan))
}

func (f *Firewall) run(ctx context.Context, input string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, f.program, arguments...)
	command.Stdin = strings.NewReader(input)
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		return "", fmt.Errorf("%w: %s", err, first)
	}
	return out.String(), nil
}

// filtersBridges fails unless frames from one port of a bridge to another pass the inet hooks.
func filtersBridges() error {
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		value, err := os.ReadFile("/proc/sys/net/bridge/" + name)
		if err != nil || strings.TrimSpace(string(value)) != "1" {
			return fmt.Errorf("%w: %s: %w", ErrRefused, name, ErrUnfiltered)
		}
	}
	return nil
}
