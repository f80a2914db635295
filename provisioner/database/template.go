package database

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

// Template says which template is meant: a database with the tables that a server of this image makes, and nothing else.
type Template struct {
	Engine tenant.EngineName
	Image  string // by digest: "sha256:..."; "" means none, or with DropTemplates all of the engine's
}

// The beginning of templates' names. The figure is to be raised when what is left in a template changes.
const templatePrefix = "hafen_template1_"

// name is that of the database, and of the role that owns all in it. Twelve digits tell images apart as well as Docker's own
// short ids do. "" when the image is not given by digest: there is no template of it.
func (t Template) name() string {
	digest, found := strings.CutPrefix(t.Image, "sha256:")
	if !found || len(digest) < 12 || strings.Trim(digest, "0123456789abcdef") != "" ||
		t.Engine == "" || strings.Trim(string(t.Engine), "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return templatePrefix + string(t.Engine) + "_" + digest[:12]
}

const templateSQL = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate AND NOT datallowconn)`

// HasTemplate reports whether a template is there. Then it is whole: it gets its name last.
func (c *Cluster) HasTemplate(ctx context.Context, t Template) (bool, error) {
	var there bool
	err := c.pool.QueryRow(ctx, templateSQL, t.name()).Scan(&there)
	return there, wrap("look for the template", err)
}

const templatesSQL = `
SELECT datname FROM pg_database
 WHERE starts_with(datname, 'hafen_template') AND shobj_description(oid, 'pg_database') = $1 AND datname <> ALL ($2)
   AND split_part(datname, '_', 3) <> ALL ($3)`

// DropTemplates drops the templates of an installation but those to keep, and their spares. Another's, in a cluster that
// several share, stay.
func (c *Cluster) DropTemplates(ctx context.Context, installation string, keep []Template) error {
	kept, engines := []string{}, []string{}
	for _, t := range keep {
		if t.Image == "" {
			engines = append(engines, string(t.Engine))
		} else {
			kept = append(kept, t.name())
		}
	}
	return wrap("drop old templates", c.alone(ctx, "making spares", func(s session) error {
		names, err := s.names(ctx, templatesSQL, mark(installation), kept, engines)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.dropTemplate(ctx, name); err != nil {
				return err
			}
		}
		return nil
	}))
}

// dropTemplate drops a template, or what is left of one, and its spares. Each name it has is known by the template's, which
// therefore goes last.
func (s session) dropTemplate(ctx context.Context, name string) error {
	quoted := pgx.Identifier{name}.Sanitize()
	// From now on nobody copies it.
	if err := unlock(ctx, s, quoted); err != nil {
		return err
	}
	all, err := s.names(ctx, allSparesSQL, spares(name))
	if err != nil {
		return err
	}
	for _, spare := range all {
		if err := s.lock(ctx, spare); err != nil { // it may just be made
			return err
		}
		if err := s.drop(ctx, spare); err != nil {
			return err
		}
	}
	return s.drop(ctx, name)
}

// mark is the comment on an installation's templates.
func mark(installation string) string {
	return "Template of tenants' databases, made by " + installation
}
