package docker

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	dockernetwork "github.com/docker/docker/api/types/network"

	"hafen/provisioner/network"
	"hafen/tenant"
)

// Options of the bridge driver, with the values every bridge of ours has. Traffic between containers of one bridge is
// refused by the engine; package firewall refuses it too, and all else that is not allowed.
func bridgeOptions(b network.Bridge) map[string]string {
	return map[string]string{
		"com.docker.network.bridge.name":                 b.Name,
		"com.docker.network.bridge.enable_icc":           "false",
		"com.docker.network.bridge.enable_ip_masquerade": "true",
	}
}

// EnsureBridge makes the bridge, or checks that the one that is there is what it should be.
func (e *Engine) EnsureBridge(ctx context.Context, b network.Bridge) error {
	found, err := e.client.NetworkInspect(ctx, b.Name, dockernetwork.InspectOptions{})
	if err == nil {
		return e.checkBridge(b, found)
	}
	if !errdefs.IsNotFound(err) {
		return wrap("inspect network "+b.Name, err)
	}
	off := false
	_, err = e.client.NetworkCreate(ctx, b.Name, dockernetwork.CreateOptions{
		Driver:     "bridge",
		EnableIPv6: &off, // tenants reach IPv6 hosts not at all, rather than by a way the firewall does not see
		IPAM: &dockernetwork.IPAM{Driver: "default", Config: []dockernetwork.IPAMConfig{{
			Subnet: b.Subnet.String(), Gateway: b.Address.String(),
		}}},
		Options: bridgeOptions(b),
		Labels:  map[string]string{tenant.LabelInstallation: e.installation},
	})
	if err != nil && (errdefs.IsConflict(err) || strings.Contains(err.Error(), "conflicts with network")) {
		// Somebody else, most likely another worker, was faster.
		if found, again := e.client.NetworkInspect(ctx, b.Name, dockernetwork.InspectOptions{}); again == nil {
			return e.checkBridge(b, found)
		}
	}
	return wrap("create network "+b.Name, err)
}

// RemoveBridge removes the bridge. An absent one is no error.
func (e *Engine) RemoveBridge(ctx context.Context, b network.Bridge) error {
	found, err := e.client.NetworkInspect(ctx, b.Name, dockernetwork.InspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err == nil && found.Labels[tenant.LabelInstallation] != e.installation {
		err = ErrForeign
	}
	if err == nil {
		err = e.client.NetworkRemove(ctx, found.ID)
	}
	return wrap("remove network "+b.Name, err)
}

func (e *Engine) checkBridge(b network.Bridge, found dockernetwork.Inspect) error {
	if found.Labels[tenant.LabelInstallation] != e.installation {
		return wrap("check network "+b.Name, ErrForeign)
	}
	if len(found.IPAM.Config) != 1 || found.IPAM.Config[0].Subnet != b.Subnet.String() ||
		found.IPAM.Config[0].Gateway != b.Address.String() || found.EnableIPv6 {
		return wrap("check network "+b.Name, fmt.Errorf("it has other addresses than %s: remove it and its containers, or change the plan back", b.Subnet))
	}
	for option, value := range bridgeOptions(b) {
		if found.Options[option] != value {
			return wrap("check network "+b.Name, fmt.Errorf("it has %s=%q, not %q", option, found.Options[option], value))
		}
	}
	return nil
}
