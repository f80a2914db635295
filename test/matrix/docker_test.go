package matrix

import (
	"os/exec"
	"strings"
	"testing"

	"hafen/internal/hafentest"
)

// docker runs a command of the Docker client and gives what it printed.
func docker(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := exec.Command("docker", arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(arguments, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// inspect looks a server's container over with one of Docker's templates.
func inspect(t *testing.T, s hafentest.Server, template string) string {
	t.Helper()
	return docker(t, "inspect", "--format", template, s.ID.Container())
}

// networkOf is what a server's container is attached to. While it is being made anew there is none to ask.
func networkOf(s hafentest.Server) (string, error) {
	out, err := exec.Command("docker", "inspect", "--format", "{{.HostConfig.NetworkMode}}", s.ID.Container()).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (p port) startedAt(t *testing.T, s hafentest.Server) string {
	t.Helper()
	return inspect(t, s, "{{.Id}} {{.State.StartedAt}}")
}
