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

func (p port) startedAt(t *testing.T, s hafentest.Server) string {
	t.Helper()
	return inspect(t, s, "{{.Id}} {{.State.StartedAt}}")
}
