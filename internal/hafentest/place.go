package hafentest

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// drawNetwork draws names and addresses for bridges until nothing on this machine has them.
func (h *Hafen) drawNetwork() {
	h.t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		h.t.Fatal(err)
	}
	for free := false; !free; {
		var b [3]byte
		rand.Read(b[:])
		h.bridge = "ht" + hex.EncodeToString(b[:])
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 64 + b[0]%64, b[1] &^ 1, 0}), 23)
		h.subnet, h.Gateway = subnet.String(), subnet.Addr().Next().String()
		free = !slices.ContainsFunc(addresses, func(a net.Addr) bool {
			taken, err := netip.ParsePrefix(a.String())
			return err == nil && taken.Overlaps(subnet)
		})
	}
}

// Network is how the tenants' network is called, and its addresses.
func (h *Hafen) Network() (bridge string, subnet netip.Prefix) {
	return h.bridge, netip.MustParsePrefix(h.subnet)
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() // all are held until all are drawn, so that they differ
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// remove takes away everything the installation made.
func (h *Hafen) remove() {
	docker := func(arguments ...string) string {
		out, err := exec.Command("docker", arguments...).CombinedOutput()
		if err != nil {
			h.t.Errorf("docker %s: %v: %s", arguments[0], err, out)
		}
		return string(out)
	}
	// Containers of this installation are those that mount its cluster's socket.
	for id := range strings.FieldsSeq(docker("ps", "-aq", "--no-trunc", "--filter", "volume="+filepath.Join(h.Data, "run", "pg"))) {
		docker("rm", "-f", id)
	}
	for name := range strings.FieldsSeq(docker("network", "ls", "--format", "{{.Name}}", "--filter", "name="+h.bridge)) {
		docker("network", "rm", name)
	}
	h.removeTable()
	if out, err := h.Run("down"); err != nil {
		h.t.Errorf("hafen down: %v: %s", err, out)
	}
	if err := os.RemoveAll(h.Data); err != nil {
		h.t.Errorf("remove data: %v", err)
	}
}

func (h *Hafen) removeTable() {
	nft := exec.Command("/usr/sbin/nft", "-f", "-")
	name := "hafen-" + h.bridge
	nft.Stdin = strings.NewReader("add table inet " + name + "\ndelete table inet " + name + "\n")
	if out, err := nft.CombinedOutput(); err != nil {
		h.t.Errorf("remove firewall table: %v: %s", err, out)
	}
}
