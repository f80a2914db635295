package firewall_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hafen/provisioner/firewall"
	"hafen/provisioner/network"
)

func plan() network.Plan {
	n := rand.IntN(1 << 12)
	return network.Plan{
		BridgePrefix: fmt.Sprintf("hfw%03x-", n),
		Subnet:       netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 198, byte(n >> 4), byte(n << 4)}), 28),
		EdgePorts:    []uint16{443, 8448},
	}
}

func TestRuleset(t *testing.T) {
	t.Parallel()
	got := firewall.Ruleset(network.Plan{
		BridgePrefix: "hafen", Subnet: netip.MustParsePrefix("10.213.0.0/22"), EdgePorts: []uint16{443, 8448},
		EdgeAddresses: []netip.Addr{netip.MustParseAddr("203.0.113.9")},
	})
	golden := filepath.Join("testdata", "ruleset.nft")
	if os.Getenv("HAFEN_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the ruleset differs from %s:\n%s", golden, got)
	}
}

func TestEnsurePutsBackWhatSomebodyChanged(t *testing.T) {
	t.Parallel()
	p := plan()
	f := firewall.New(p)
	t.Cleanup(func() { must(t, f.Remove(context.Background())) })
	must(t, f.Ensure(t.Context()))
	whole := nft(t, "list", "table", "inet", firewall.Table(p))
	for name, change := range map[string][]string{
		"deleted": {"delete", "table", "inet", firewall.Table(p)},
		"flushed": {"flush", "chain", "inet", firewall.Table(p), "forward"},
		"opened":  {"insert", "rule", "inet", firewall.Table(p), "to_host", "accept"},
		"widened": {"add", "element", "inet", firewall.Table(p), "edge_ports", "{", "22", "}"},
	} {
		nft(t, change...)
		must(t, f.Ensure(t.Context()))
		if now := nft(t, "list", "table", "inet", firewall.Table(p)); now != whole {
			t.Errorf("%s, and not put back:\n%s", name, now)
		}
	}
	must(t, f.Ensure(t.Context()))
	must(t, f.Remove(t.Context()))
	must(t, f.Remove(t.Context()))
	if listed, err := exec.Command("/usr/sbin/nft", "list", "tables").Output(); err != nil || strings.Contains(string(listed), firewall.Table(p)) {
		t.Errorf("removed, yet listed: %v", err)
	}
}

func TestSideBySide(t *testing.T) {
	t.Parallel()
	one, two := plan(), plan()
	first, second := firewall.New(one), firewall.New(two)
	t.Cleanup(func() { must(t, second.Remove(context.Background())) })
	must(t, first.Ensure(t.Context()))
	must(t, second.Ensure(t.Context()))
	must(t, first.Remove(t.Context()))
	if table := nft(t, "list", "table", "inet", firewall.Table(two)); !strings.Contains(table, two.BridgePrefix) {
		t.Error("removing one installation's table takes another's away")
	}
}

func TestEnsureFailsClosed(t *testing.T) {
	t.Parallel()
	p := plan()
	p.EdgePorts = nil // nft refuses an empty set: stands for whatever may be wrong
	if err := firewall.New(p).Ensure(t.Context()); !errors.Is(err, firewall.ErrRefused) {
		t.Errorf("a table that cannot be set: %v", err)
	}
}

func nft(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := exec.Command("/usr/sbin/nft", arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("nft %v: %v: %s", arguments, err, out)
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
