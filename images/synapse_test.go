package images_test

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"hafen/images"
)

func synapseImage(t *testing.T, engine *client.Client) string {
	t.Helper()
	id, err := images.Recipe{Engine: images.Synapse, Source: ".", Cache: cache}.Ensure(t.Context(), engine)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestSynapseMadeAgainIsTheSame makes everything once more from the packages and wheels: the bytecode too has no trace of
// where and when it was made.
func TestSynapseMadeAgainIsTheSame(t *testing.T) {
	t.Parallel()
	engine := docker(t)
	first := synapseImage(t, engine)
	reference := "hafen-test-image:" + strings.ToLower(rand.Text())
	second, err := images.Recipe{Engine: images.Synapse, Source: ".", Cache: t.TempDir(), Reference: reference}.Ensure(t.Context(), engine)
	if err != nil {
		t.Fatal(err)
	}
	defer remove(t, engine, reference)
	if first != second {
		t.Errorf("made again, image %s is %s", first, second)
	}
}

// TestSynapseHoldsNoTools: whoever takes over a homeserver finds nothing there to go on with but Python itself.
func TestSynapseHoldsNoTools(t *testing.T) {
	t.Parallel()
	engine := docker(t)
	made, err := engine.ContainerCreate(t.Context(), &container.Config{Image: synapseImage(t, engine)}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true})
	export, err := engine.ContainerExport(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer export.Close()
	files := 0
	for archive := tar.NewReader(export); ; files++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if found := suspect(header); found != "" {
			t.Errorf("%s %s", header.Name, found)
		}
	}
	if files < 1000 {
		t.Errorf("only %d files were looked at", files)
	}
}

// TestSynapseHasItsExtras asks Synapse itself for what it needs to reach PostgreSQL, log in elsewhere and show previews.
func TestSynapseHasItsExtras(t *testing.T) {
	t.Parallel()
	engine := docker(t)
	said := run(t, engine, container.Config{
		Image:      synapseImage(t, engine),
		Entrypoint: []string{"/usr/bin/python3", "-c"},
		Cmd: []string{`
from synapse.util.check_dependencies import check_requirements
for extra in None, "postgres", "oidc", "jwt", "url-preview":
    check_requirements(extra)
import psycopg2, synapse.handlers.oidc, synapse.media.preview_html, synapse.media.thumbnailer
print("all there")`},
	})
	if !strings.HasSuffix(said, "all there\n") { // a deprecation may come before
		t.Errorf("Synapse says: %s", said)
	}
}

// suspect says what is wrong with a file of the image.
func suspect(header *tar.Header) string {
	name := path.Base(header.Name)
	if header.Typeflag == tar.TypeReg && header.Mode&0o6000 != 0 {
		return "gives its user another's rights"
	}
	if header.Typeflag != tar.TypeSymlink && header.Mode&0o022 != 0 && header.Name != "tmp/" {
		return "is for everybody to change"
	}
	executable := header.Typeflag == tar.TypeReg && header.Mode&0o111 != 0 && header.Size > 0
	python, _ := path.Match("usr/bin/python3.*", header.Name)
	if executable && !python && !strings.Contains(name, ".so") && path.Ext(name) != ".py" {
		return "can be run"
	}
	switch name {
	case "pip", "setuptools", "ensurepip", "distutils", "apt", "dpkg", "gconv", "ld.so.cache":
		return "is not needed"
	}
	return ""
}

// TestSynapseServes starts Synapse as locked up as a tenant's, kills it, and starts it again: what the dead one leaves in
// the socket's directory must not keep the next one from listening.
func TestSynapseServes(t *testing.T) {
	t.Parallel()
	engine := docker(t)
	id := synapseImage(t, engine)
	directory := t.TempDir()
	config, data, socket := filepath.Join(directory, "config"), filepath.Join(directory, "data"), filepath.Join(directory, "run")
	for _, path := range []string{config, data, socket} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o777); err != nil { // the container's user is nobody on this machine
			t.Fatal(err)
		}
	}
	configure(t, config)
	made, err := engine.ContainerCreate(t.Context(),
		&container.Config{
			Image: id, Cmd: []string{"--config-path", "/config/homeserver.yaml"}, User: "54321:54321",
			Labels: map[string]string{"hafen.test": "images"},
		},
		&container.HostConfig{
			NetworkMode: "none", ReadonlyRootfs: true, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"}, IpcMode: "none",
			Tmpfs: map[string]string{"/tmp": "rw,noexec,nosuid,nodev,size=16m,mode=1777"},
			Binds: []string{config + ":/config:ro", data + ":/data", socket + ":/run/hafen"},
		}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true})
	for range 2 {
		start := time.Now()
		if err := engine.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
			t.Fatal(err)
		}
		awaitVersions(t, engine, made.ID, filepath.Join(socket, "hs.sock"))
		t.Logf("ready in %v", time.Since(start).Round(time.Millisecond))
		ended, failed := engine.ContainerWait(t.Context(), made.ID, container.WaitConditionNotRunning)
		if err := engine.ContainerKill(t.Context(), made.ID, "KILL"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case err := <-failed:
			t.Fatal(err)
		}
	}
}

// configure writes the least that Synapse starts with.
func configure(t *testing.T, directory string) {
	t.Helper()
	seed := make([]byte, 32)
	rand.Read(seed)
	key := "ed25519 a_1 " + base64.RawStdEncoding.EncodeToString(seed) + "\n"
	config := fmt.Sprintf(`
server_name: test.example
listeners: [{type: http, path: /run/hafen/hs.sock, mode: %d, resources: [{names: [client, federation]}]}]
database: {name: sqlite3, args: {database: /data/homeserver.db}}
media_store_path: /data/media
signing_key_path: /config/signing.key
trusted_key_servers: []
report_stats: false
macaroon_secret_key: %q
form_secret: %q
`, 0o666, rand.Text(), rand.Text())
	for name, content := range map[string]string{"homeserver.yaml": config, "signing.key": key} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func awaitVersions(t *testing.T, engine *client.Client, id, socket string) {
	t.Helper()
	api := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://test.example/_matrix/client/versions", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := api.Do(request)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Fatalf("/versions: %s", answer.Status)
			}
			return
		}
		if about, err := engine.ContainerInspect(ctx, id); err != nil || !about.State.Running {
			t.Fatalf("Synapse has ended: %v\n%s", err, printed(t, engine, id))
		}
		<-tick.C
	}
}
