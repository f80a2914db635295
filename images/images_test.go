package images_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"hafen/images"
)

// The cache of the checkout, so that a test compiles Dendrite once and not at every run.
const cache = "../.cache"

func docker(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Ping(t.Context()); err != nil {
		t.Fatalf("Docker: %v", err)
	}
	return c
}

func TestImageRunsWithoutAnyPrivilege(t *testing.T) {
	t.Parallel()
	engine := docker(t)
	id, err := images.Recipe{Engine: images.Dendrite, Source: ".", Cache: cache}.Ensure(t.Context(), engine)
	if err != nil {
		t.Fatal(err)
	}
	found, err := images.Find(t.Context(), engine, images.Dendrite)
	if err != nil || found != id {
		t.Errorf("Find gives %q, %v; Ensure gave %q", found, err, id)
	}
	about, err := engine.ImageInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if about.Config.User != "65532:65532" {
		t.Errorf("runs as %q", about.Config.User)
	}
	said := run(t, engine, container.Config{Image: id, Cmd: []string{"-version"}})
	if want := strings.TrimPrefix(images.DendriteVersion, "v"); !strings.HasPrefix(said, want) {
		t.Errorf("the image says it is %q, want %s", said, want)
	}
}

// run starts a container as locked up as a tenant's and returns what it printed.
func run(t *testing.T, engine *client.Client, what container.Config) string {
	t.Helper()
	what.Labels = map[string]string{"hafen.test": "images"}
	made, err := engine.ContainerCreate(t.Context(), &what,
		&container.HostConfig{
			NetworkMode: "none", ReadonlyRootfs: true, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"},
		}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true})
	ended, failed := engine.ContainerWait(t.Context(), made.ID, container.WaitConditionNextExit)
	if err := engine.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		t.Fatal(err)
	case end := <-ended:
		if end.StatusCode != 0 {
			t.Errorf("exit status %d", end.StatusCode)
		}
	}
	return printed(t, engine, made.ID)
}

func printed(t *testing.T, engine *client.Client, id string) string {
	t.Helper()
	logs, err := engine.ContainerLogs(t.Context(), id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	var output bytes.Buffer
	if _, err := stdcopy.StdCopy(&output, &output, logs); err != nil {
		t.Fatal(err)
	}
	return output.String()
}

// TestUnchangedRecipeIsOneLookUp keeps the second `make run` fast.
func TestUnchangedRecipeIsOneLookUp(t *testing.T) {
	t.Parallel()
	engine := docker(t)
	for _, name := range images.Engines() {
		recipe := images.Recipe{Engine: name, Source: ".", Cache: cache}
		first, err := recipe.Ensure(t.Context(), engine)
		if err != nil {
			t.Fatal(err)
		}
		recipe.Cache = "/nonexistent/cache" // nothing is made or loaded
		start := time.Now()
		second, err := recipe.Ensure(t.Context(), engine)
		if err != nil || second != first {
			t.Errorf("second time: %q, %v; first %q", second, err, first)
		}
		t.Logf("%s: looked up in %v", name, time.Since(start))
	}
}

// TestSameInputsGiveTheSameImage removes the image in between, so the engine cannot answer from memory.
func TestSameInputsGiveTheSameImage(t *testing.T) {
	t.Parallel()
	engine := docker(t)
	recipe := trialRecipe(t, engine)
	first, err := recipe.Ensure(t.Context(), engine)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, engine, recipe.Reference)
	second, err := recipe.Ensure(t.Context(), engine)
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Errorf("image %s became %s", first, second)
	}
	if err := os.WriteFile(recipe.Certificates, []byte("another authority\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := recipe.Ensure(t.Context(), engine)
	if err != nil {
		t.Fatal(err)
	}
	defer remove(t, engine, first) // it has lost its name to the third
	if third == first {
		t.Error("another certificate bundle gives the same image")
	}
}

// trialRecipe is the real recipe with a name and a certificate bundle of the test's own.
func trialRecipe(t *testing.T, engine *client.Client) images.Recipe {
	t.Helper()
	bundle := filepath.Join(t.TempDir(), "bundle.crt")
	if err := os.WriteFile(bundle, []byte(rand.Text()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reference := "hafen-test-image:" + strings.ToLower(rand.Text())
	t.Cleanup(func() { remove(t, engine, reference) })
	return images.Recipe{Engine: images.Dendrite, Source: ".", Cache: cache, Certificates: bundle, Reference: reference}
}

func remove(t *testing.T, engine *client.Client, reference string) {
	t.Helper()
	if _, err := engine.ImageRemove(context.WithoutCancel(t.Context()), reference, image.RemoveOptions{}); err != nil {
		t.Errorf("remove image: %v", err)
	}
}

func TestMissingInputs(t *testing.T) {
	t.Parallel()
	engine := docker(t)
	tests := []struct {
		name   string
		recipe images.Recipe
		says   string
	}{
		{"not a checkout", images.Recipe{Engine: images.Dendrite, Source: t.TempDir(), Cache: cache}, "in a checkout of Hafen"},
		{"not a checkout, for Synapse", images.Recipe{Engine: images.Synapse, Source: t.TempDir(), Cache: cache}, "in a checkout of Hafen"},
		{"no engine", images.Recipe{Engine: "conduit", Source: ".", Cache: cache}, "no such engine"},
		{"no certificates", images.Recipe{Engine: images.Dendrite, Source: ".", Cache: cache, Certificates: "/nonexistent"}, "apt-get install ca-certificates"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := test.recipe.Ensure(t.Context(), engine)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

// speaks is an engine at the wire: a server that answers as Docker does.
func speaks(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestFindSaysHowToBuild(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"absent":       {http.StatusNotFound, `{"message": "No such image"}`},
		"not of Hafen": {http.StatusOK, `{"Id": "sha256:0", "Config": {"Labels": {"hafen.engine": "dendrite"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := speaks(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(answer.status)
				io.WriteString(w, answer.body)
			})
			_, err := images.Find(t.Context(), engine, images.Dendrite)
			if !errors.Is(err, images.ErrAbsent) || !strings.Contains(err.Error(), "make images") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestEngineAbsent(t *testing.T) {
	t.Parallel()
	engine, err := client.NewClientWithOpts(client.WithHost("unix:///nonexistent/docker.sock"), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	_, err = images.Find(t.Context(), engine, images.Dendrite)
	if err == nil || errors.Is(err, images.ErrAbsent) {
		t.Errorf("error %v: a missing engine is not a missing image", err)
	}
}

// TestFailedLoadIsReported: the engine's status is 200 even when its disk is full.
func TestFailedLoadIsReported(t *testing.T) {
	t.Parallel()
	engine := speaks(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		io.WriteString(w, `{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}`)
	})
	_, err := images.Recipe{Engine: images.Dendrite, Source: ".", Cache: cache}.Ensure(t.Context(), engine)
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("error %v", err)
	}
}

func TestVersionsAreThoseMade(t *testing.T) {
	t.Parallel()
	for file, line := range map[string]string{
		"dendrite/go.mod":          "github.com/element-hq/dendrite " + images.DendriteVersion + "\n",
		"synapse/requirements.txt": "matrix-synapse==" + strings.TrimPrefix(images.SynapseVersion, "v") + " ",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), line) {
			t.Errorf("%s does not pin %s", file, strings.TrimSpace(line))
		}
	}
}
