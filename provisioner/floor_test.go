package provisioner_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"hafen/internal/disktest"
	"hafen/provisioner/database"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// A tenant that writes until its volume is full, and takes all connections it can get, hurts itself alone.
func TestFloor(t *testing.T) {
	t.Parallel()
	mount := disktest.Btrfs(t, 2<<30)
	s := newSiteOn(t, testPlan(), mount, filepath.Join(mount, "run")) // as in a data directory
	if why, limited := s.Volumes(); !limited {
		t.Fatal(why)
	}
	greedy, neighbour := s.spec(t), s.spec(t)
	greedy.Number, neighbour.Number = 11, 12
	greedy.Limits.DiskBytes = 64 << 20
	s.converge(t, t.Context(), greedy)
	s.converge(t, t.Context(), neighbour)
	observed, err := s.Observe(t.Context(), greedy)
	must(t, err)
	if observed.Limits != greedy.Limits {
		t.Errorf("observed %+v", observed.Limits)
	}
	server, err := s.Server(t.Context(), neighbour)
	must(t, err)
	must(t, server.Create(t.Context(), homeserver.NewAccount{Localpart: "bert", Password: "long enough"}))

	full := writeAs(greedy, filepath.Join(mount, "tenants", string(greedy.ID), "data", "full"), 256<<20)
	if full == nil || !strings.Contains(full.Error(), "disk quota exceeded") {
		t.Errorf("256 MB into 64: %v", full)
	}
	// The one other place of the disk it may write to.
	if err := writeAs(greedy, filepath.Join(mount, "run", string(greedy.ID), "full"), 64<<20); err == nil || !strings.Contains(err.Error(), "disk quota exceeded") {
		t.Errorf("64 MB more beside its socket: %v", err)
	}
	connections := s.exhaust(t, greedy)
	if most := greedy.Limits.DatabaseConnections + database.Reserved; connections > most {
		t.Errorf("%d connections, %d allowed", connections, most)
	}

	client := s.person(neighbour)
	client.Localpart = "bert"
	if !client.LogIn(t, "long enough") {
		t.Error("the neighbour cannot log in")
	}
	answer := client.Send(t, http.MethodPost, "/_matrix/media/v3/upload", "application/octet-stream", make([]byte, 1<<20))
	if answer.Status != http.StatusOK {
		t.Errorf("the neighbour's upload: %d %s", answer.Status, answer.Raw)
	}
	t.Run("more room needs no restart", func(t *testing.T) {
		before, err := s.docker.ContainerInspect(t.Context(), greedy.ID.Container())
		must(t, err)
		greedy.Limits.DiskBytes = 512 << 20
		s.converge(t, t.Context(), greedy)
		if err := writeAs(greedy, filepath.Join(mount, "tenants", string(greedy.ID), "data", "more"), 64<<20); err != nil {
			t.Errorf("64 MB more into 512: %v", err)
		}
		after, err := s.docker.ContainerInspect(t.Context(), greedy.ID.Container())
		must(t, err)
		if before.State.StartedAt != after.State.StartedAt {
			t.Error("the container was started anew")
		}
	})
	t.Run("no step takes the socket from who listens there", func(t *testing.T) {
		s.apply(t, greedy, tenant.WriteFiles, tenant.CreateContainer, tenant.UpdateLimits)
		if observed, err := s.Observe(t.Context(), greedy); err != nil || !observed.Healthy {
			t.Errorf("observed %+v, %v", observed, err)
		}
	})
}

// writeAs writes a file of the tenant's, as its homeserver would.
func writeAs(spec tenant.Spec, path string, bytes int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Chown(spec.UID(), spec.UID()); err != nil {
		return err
	}
	block := []byte(strings.Repeat("hafen and harbour; ", 1<<16))
	for written := 0; written < bytes; written += len(block) {
		if _, err := file.Write(block); err != nil {
			return err
		}
	}
	return file.Sync()
}

// exhaust opens connections to the tenant's own database until it gets no more, and keeps them until the test ends.
func (s *site) exhaust(t *testing.T, spec tenant.Spec) (opened int) {
	t.Helper()
	secrets, err := s.config.Secrets.Load(t.Context(), spec.ID)
	must(t, err)
	for ; opened < 100; opened++ {
		conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s user=%s password=%s dbname=%s sslmode=disable",
			s.config.Database.SocketDir, spec.ID.Role(), secrets[homeserver.DatabasePassword], spec.ID.Role()))
		if err != nil {
			if !strings.Contains(err.Error(), "too many connections") {
				t.Errorf("connection %d: %v", opened, err)
			}
			return opened
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
	}
	return opened
}
