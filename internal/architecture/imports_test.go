// Package architecture_test keeps the rule of who may import whom: the domain knows nothing of the others, what wants
// and what does know only the domain, and a technology is met in its own place.
package architecture_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// module begins the path of every package of ours.
const module = "hafen/"

// ours says which of our packages a package may import, besides those of its own tree. What has no row may import none.
// Programs (cmd, bench) wire everything together and tests' support (internal) serves all, so they have no rule.
var ours = map[string][]string{
	"tenant":            {},
	"tenant/homeserver": {"tenant"},
	"templates":         {},
	"migrations":        {},
	"images":            {},
	"controlplane":      {"tenant", "tenant/homeserver"},
	"provisioner":       {"tenant", "tenant/homeserver"},
	"edge":              {"tenant"},
	"web":               {"controlplane", "tenant", "tenant/homeserver", "templates"},
}

// free are the trees without a rule.
var free = []string{"cmd", "internal", "bench", "test"}

// places says where a technology may be met.
var places = map[string][]string{
	"github.com/jackc/pgx/":     {"controlplane/postgres", "migrations", "provisioner", "tenant/homeserver"},
	"github.com/docker/docker/": {"provisioner", "images"},
	"github.com/labstack/echo/": {"web"},
	"github.com/go-acme/lego/":  {"provisioner/acme"},
	"github.com/stripe/":        {"controlplane/billing/stripe"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if found := broken(p); len(found) > 0 {
			t.Errorf("%s imports %s", p.ImportPath, strings.Join(found, ", "))
		}
	}
}

// packages is every package of the module as Go itself lists it, without the tests.
func packages(t *testing.T) []listed {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"...")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("list the packages: %v: %s", err, stderr.String())
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read the list of packages: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < len(ours) {
		t.Fatalf("only %d packages listed", len(all))
	}
	return all
}

// broken returns the imports of a package that the rules forbid.
func broken(p listed) []string {
	name := strings.TrimPrefix(p.ImportPath, module)
	if within(name, free) {
		return nil
	}
	var found []string
	for _, imported := range p.Imports {
		own, isOurs := strings.CutPrefix(imported, module)
		switch {
		case isOurs && !allowed(name, own):
			found = append(found, imported)
		case !isOurs && name == "tenant" && strings.Contains(imported, "."):
			found = append(found, imported+" (tenant is standard library only)")
		}
		for technology, where := range places {
			if strings.HasPrefix(imported, technology) && !within(name, where) {
				found = append(found, imported)
			}
		}
	}
	return found
}

// allowed says whether our package name may import our package other. The longest row that covers name decides.
func allowed(name, other string) bool {
	tree := name
	for {
		if row, found := ours[tree]; found {
			// The domain imports nothing, not even what lies below it.
			if name == "tenant" {
				return false
			}
			return within(other, []string{tree}) || within(other, row) && !skips(other, row)
		}
		if tree == path.Dir(tree) {
			return false
		}
		tree = path.Dir(tree)
	}
}

// skips keeps "tenant" in a row from meaning the engines below it too.
func skips(other string, row []string) bool {
	return within(other, []string{"tenant/homeserver"}) && !slices.Contains(row, "tenant/homeserver")
}

// within says whether a package is one of these trees or lies in one.
func within(name string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return name == tree || strings.HasPrefix(name, tree+"/") })
}

// TestRulesCatch makes sure the rules can fail.
func TestRulesCatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, imports string
		wrong         bool
	}{
		{"tenant", "fmt", false},
		{"tenant", "github.com/google/uuid", true},
		{"tenant", "hafen/tenant/homeserver", true},
		{"tenant/homeserver/dendrite", "hafen/tenant", false},
		{"tenant/homeserver/dendrite", "hafen/provisioner", true},
		{"templates", "hafen/templates/i18n", false},
		{"templates", "hafen/tenant", true},
		{"migrations", "hafen/tenant", true},
		{"controlplane", "hafen/controlplane/billing", false},
		{"controlplane", "hafen/provisioner", true},
		{"controlplane", "github.com/jackc/pgx/v5", true},
		{"controlplane/postgres", "github.com/jackc/pgx/v5", false},
		{"controlplane/billing", "hafen/web", true},
		{"provisioner/docker", "hafen/tenant/homeserver", false},
		{"provisioner", "hafen/controlplane", true},
		{"edge", "hafen/tenant", false},
		{"edge", "hafen/tenant/homeserver", true},
		{"edge", "hafen/controlplane", true},
		{"web", "github.com/stripe/stripe-go/v76", true},
		{"controlplane/billing/stripe", "github.com/stripe/stripe-go/v76", false},
		{"web", "hafen/controlplane", false},
		{"web", "hafen/provisioner", true},
		{"web", "github.com/docker/docker/client", true},
		{"newcomer", "hafen/tenant", true},
		{"cmd/hafen", "hafen/provisioner", false},
	} {
		p := listed{ImportPath: module + test.name, Imports: []string{test.imports}}
		if found := broken(p); (len(found) > 0) != test.wrong {
			t.Errorf("%s imports %s: found %q, want wrong = %v", test.name, test.imports, found, test.wrong)
		}
	}
}
