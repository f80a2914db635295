package provisioner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/jackc/pgx/v5"

	"hafen/images"
	"hafen/provisioner/database"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// ownImage gives a site an image of an engine's that nobody else has, of which there is no template: the same files with
// another label.
func (s *site) ownImage(t testing.TB, engine homeserver.Engine) {
	t.Helper()
	base, err := images.Recipe{Engine: string(engine.Describe().Name), Source: "../images", Cache: "../.cache"}.Ensure(t.Context(), s.docker)
	must(t, err)
	made, err := s.docker.ContainerCreate(t.Context(), &container.Config{Image: base}, nil, nil, nil, "")
	must(t, err)
	committed, err := s.docker.ContainerCommit(t.Context(), made.ID, container.CommitOptions{
		Config: &container.Config{Labels: map[string]string{"hafen.test": s.config.Installation}},
	})
	must(t, err)
	must(t, s.docker.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{}))
	s.image = committed.ID
	t.Cleanup(func() {
		_, err := s.docker.ImageRemove(context.Background(), committed.ID, image.RemoveOptions{})
		must(t, err)
	})
}

// template makes the template of the site's image; it is dropped at the end.
func (s *site) template(t testing.TB, engine homeserver.Engine) {
	t.Helper()
	t.Cleanup(func() { must(t, s.DropTemplates(context.Background(), nil)) })
	if len(engine.Describe().Schema.Tables) == 0 {
		t.Fatal("the engine has no template")
	}
	for !s.hasTemplate(t, engine) { // one at a time in a cluster
		_, err := s.EnsureTemplate(t.Context(), engine.Describe().Name, s.image)
		must(t, err)
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *site) hasTemplate(t testing.TB, engine homeserver.Engine) bool {
	t.Helper()
	cluster, err := database.Open(t.Context(), s.config.Database)
	must(t, err)
	defer cluster.Close()
	there, err := cluster.HasTemplate(t.Context(), database.Template{Engine: engine.Describe().Name, Image: s.image})
	must(t, err)
	return there
}

// A tenant's database that was copied has the engine's tables, and nothing in them of the server that made them.
func TestTemplateHoldsTheSchemaAlone(t *testing.T) {
	t.Parallel()
	for _, engine := range newSite(t).config.Engines {
		t.Run(string(engine.Describe().Name), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.ownImage(t, engine)
			s.template(t, engine)
			if ids, err := s.Inventory(t.Context()); err != nil || len(ids) > 0 {
				t.Errorf("left: %v, %v", ids, err)
			}
			spec := s.spec(t)
			spec.Engine, spec.Limits.MemoryBytes = engine.Describe().Name, 512<<20
			s.apply(t, spec, tenant.CreateSecrets, tenant.CreateDatabase)

			kept := rows(t, s.enter(t, spec))
			for table, content := range kept {
				if !slices.Contains(engine.Describe().Schema.Tables, table) {
					t.Errorf("table %s has rows: %.200s", table, content)
				}
				for _, foreign := range []string{"template.invalid", "templatebuild", "nobody", "hs_", "ed25519"} {
					if strings.Contains(content, foreign) {
						t.Errorf("table %s speaks of %s: %.200s", table, foreign, content)
					}
				}
			}
			if len(kept) == 0 {
				t.Error("the database is empty: it is no copy")
			}
			s.converge(t, t.Context(), spec)
			if observed, err := s.Observe(t.Context(), spec); err != nil || !observed.Healthy {
				t.Errorf("a server on a copy: %+v, %v", observed, err)
			}
		})
	}
}

// enter goes into the tenant's database as the tenant.
func (s *site) enter(t *testing.T, spec tenant.Spec) *pgx.Conn {
	t.Helper()
	cluster, err := database.Open(t.Context(), s.config.Database)
	must(t, err)
	defer cluster.Close()
	conn, err := cluster.Connect(t.Context(), spec.ID, []byte(s.password(t, spec)))
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// rows gives the content of all tables that have any.
func rows(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	names, err := conn.Query(t.Context(), `SELECT relname FROM pg_class WHERE relkind IN ('r', 'm', 'p') AND relnamespace = 'public'::regnamespace`)
	must(t, err)
	tables, err := pgx.CollectRows(names, pgx.RowTo[string])
	must(t, err)
	if len(tables) < 10 {
		t.Errorf("%d tables only", len(tables))
	}
	content := map[string]string{}
	for _, table := range tables {
		var text *string
		must(t, conn.QueryRow(t.Context(), fmt.Sprintf(`SELECT string_agg(x::text, ' ') FROM public.%s x`, pgx.Identifier{table}.Sanitize())).Scan(&text))
		if text != nil {
			content[table] = *text
		}
	}
	return content
}

// building does something as the one that builds: another test's building would drop what it makes.
func (s *site) building(t *testing.T, do func(tenant.ID)) {
	t.Helper()
	cluster, err := database.Open(t.Context(), s.config.Database)
	must(t, err)
	defer cluster.Close()
	for {
		build, err := cluster.BeginBuild(t.Context(), database.Template{Engine: tenant.Dendrite, Image: s.image})
		if errors.Is(err, database.ErrBuilding) {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		must(t, err)
		defer build.Close(t.Context())
		do(build.ID)
		return
	}
}

// A server that makes a template is no tenant, and what a killed building leaves is removed by the next.
func TestKilledBuilderIsRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ownImage(t, s.config.Engines[0])
	killed := s.spec(t)
	s.building(t, func(id tenant.ID) {
		killed.ID = id
		s.apply(t, killed, append(untilContainer, tenant.StartContainer)...)
	})
	if ids, err := s.Inventory(t.Context()); err != nil || len(ids) > 0 {
		t.Errorf("listed as a tenant: %v, %v", ids, err)
	}
	s.template(t, s.config.Engines[0])
	must(t, s.config.Secrets.Delete(t.Context(), killed.ID))
	if left := s.left(t, killed); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// While there is no template, or its making fails, tenants begin with an empty database.
func TestTemplateOfAnAbsentImage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	absent := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	var err error
	for err == nil { // while another makes one
		time.Sleep(10 * time.Millisecond)
		_, err = s.EnsureTemplate(t.Context(), tenant.Dendrite, absent)
	}
	expectFailure(t, err, tenant.Retry, "image_absent")
	if ids, err := s.Inventory(t.Context()); err != nil || len(ids) > 0 {
		t.Errorf("left: %v, %v", ids, err)
	}
}
