package provisioner_test

import (
	"bytes"
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hafen/provisioner/database"
	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/dendrite"
	"hafen/tenant/homeserver/synapse"
)

// A picture of known size is uploaded, and an orphan left beside it as a deleted room would.
func TestUsage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	s.converge(t, t.Context(), spec)
	server, err := s.Server(t.Context(), spec)
	must(t, err)
	must(t, server.Create(t.Context(), homeserver.NewAccount{Localpart: "bert", Password: "long enough"}))
	client := s.person(spec)
	client.Localpart = "bert"
	if !client.LogIn(t, "long enough") {
		t.Fatal("cannot log in")
	}
	before, err := s.Usage(t.Context(), spec)
	must(t, err)
	if before.DatabaseBytes < 1<<20 {
		t.Errorf("a database of %d bytes", before.DatabaseBytes)
	}
	const size = 300_000
	answer := client.Send(t, http.MethodPost, "/_matrix/media/v3/upload", "application/octet-stream", bytes.Repeat([]byte("hafen!"), size/6))
	if answer.Status != http.StatusOK {
		t.Fatalf("upload: %d %s", answer.Status, answer.Raw)
	}
	after, err := s.Usage(t.Context(), spec)
	must(t, err)
	if grown := after.MediaBytes - before.MediaBytes; grown < size || grown > size+64<<10 {
		t.Errorf("media grew by %d bytes for a file of %d", grown, size)
	}
	expectAllowed(t, s.try(t, spec, attempt{Do: "write", Target: "/data/media/orphan"}))
	// A link to the host's files is not followed.
	expectAllowed(t, s.try(t, spec, attempt{Do: "link", Target: "/ /data/media/everything"}))
	orphaned, err := s.Usage(t.Context(), spec)
	must(t, err)
	if grown := orphaned.MediaBytes - after.MediaBytes; grown < 1 || grown > 64<<10 {
		t.Errorf("an orphan of one byte is measured as %d", grown)
	}
}

// Without a server: what lies where, and what the database has of it.
func TestOrphansAndRemoteMediaAreCountedApart(t *testing.T) {
	t.Parallel()
	for _, engine := range []homeserver.Engine{synapse.Engine{}, dendrite.Engine{}} {
		t.Run(string(engine.Describe().Name), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			spec := s.spec(t)
			spec.Engine = engine.Describe().Name
			for _, step := range []tenant.Step{tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles} {
				must(t, s.Apply(t.Context(), spec, step))
			}
			media := filepath.Join(s.config.DataDir, "tenants", string(spec.ID), "data", "media")
			write := func(path string, age time.Duration) {
				t.Helper()
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(media, path)), 0o700))
				must(t, os.WriteFile(filepath.Join(media, path), bytes.Repeat([]byte("x"), 100_000), 0o600))
				then := time.Now().Add(-age)
				must(t, os.Chtimes(filepath.Join(media, path), then, then))
			}
			const each = 25 * 4096 // on the disk
			tables, files := mediaTables[spec.Engine], mediaTrees[spec.Engine]
			for _, path := range files.kept {
				write(path, time.Hour)
			}
			write(files.orphan, time.Hour)
			write(files.young, 0)
			for _, path := range files.remote {
				write(path, time.Hour)
			}
			if orphans, err := s.Orphans(t.Context(), spec); err != nil || orphans == 0 {
				t.Errorf("with no tables yet: %d, %v", orphans, err)
			}
			s.inDatabase(t, spec, strings.ReplaceAll(tables, "@NAME@", string(spec.ServerName)))
			usage, err := s.Usage(t.Context(), spec)
			must(t, err)
			remote, own := int64(len(files.remote)*each), int64((len(files.kept)+2)*each)
			if usage.RemoteBytes < remote-each/10 || usage.RemoteBytes > remote || usage.MediaBytes+usage.RemoteBytes != own+remote {
				t.Errorf("%+v, want %d remote and %d own", usage, remote, own)
			}
			if orphans, err := s.Orphans(t.Context(), spec); err != nil || orphans != each {
				t.Errorf("%d bytes of orphans, %v, want %d", orphans, err, each)
			}
		})
	}
}

// inDatabase runs statements as the tenant.
func (s *site) inDatabase(t *testing.T, spec tenant.Spec, statements string) {
	t.Helper()
	kept, err := s.config.Secrets.Load(t.Context(), spec.ID)
	must(t, err)
	cluster, err := database.Open(t.Context(), s.config.Database)
	must(t, err)
	defer cluster.Close()
	conn, err := cluster.Connect(t.Context(), spec.ID, kept[homeserver.DatabasePassword])
	must(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.PgConn().Exec(t.Context(), statements).ReadAll()
	must(t, err)
}

type mediaTree struct {
	kept, remote  []string
	orphan, young string
}

var mediaTrees = map[tenant.EngineName]mediaTree{
	tenant.Synapse: {
		kept:   []string{"local_content/aa/bb/cckept", "local_thumbnails/aa/bb/cckept/32-32-image-png-crop", "url_cache/2026-11-01/abcdef"},
		remote: []string{"remote_content/example.org/aa/bb/cc", "remote_thumbnail/example.org/aa/bb/cc/32-32"},
		orphan: "local_content/aa/bb/ccgone", young: "local_content/aa/bb/ccnew",
	},
	tenant.Dendrite: {
		kept:   []string{"a/b/kept/file", "a/b/kept/thumbnail-32x32-crop", "a/b/both/file", "tmp/x/content"},
		remote: []string{"a/b/away/file", "a/b/away/thumbnail-32x32-crop"},
		orphan: "a/b/gone/file", young: "a/b/new/file",
	},
}

// mediaTables are as much of the engines' own as is read. A database made from a template has them already.
var mediaTables = map[tenant.EngineName]string{
	tenant.Synapse: `drop table if exists public.local_media_repository cascade; create table public.local_media_repository (media_id text); insert into public.local_media_repository values ('aabbcckept')`,
	tenant.Dendrite: `
drop table if exists public.mediaapi_media_repository, public.mediaapi_thumbnail cascade;
create table public.mediaapi_media_repository (media_id text, media_origin text, base64hash text, file_size_bytes bigint);
create table public.mediaapi_thumbnail (media_id text, media_origin text, file_size_bytes bigint);
insert into public.mediaapi_media_repository
	select 'm' || h, o, h, 100000 from (values ('abkept', '@NAME@'), ('abboth', '@NAME@'), ('abaway', 'example.org'), ('abboth', 'example.org')) v(h, o);
insert into public.mediaapi_thumbnail values ('mabaway', 'example.org', 100000), ('mabboth', 'example.org', 100000), ('mabkept', '@NAME@', 100000)`,
}

// The same on real servers, whose files and tables are as they make them.
func TestRealMediaIsToldApart(t *testing.T) {
	t.Parallel()
	around := newSurroundings(t)
	for _, e := range engines {
		t.Run(e.image, func(t *testing.T) {
			t.Parallel()
			spec := e.spec(t, around.site)
			spec.Number = <-around.numbers
			spec.Settings.Federation = tenant.FederationOpen
			around.converge(t, t.Context(), spec)
			server, err := around.Server(t.Context(), spec)
			must(t, err)
			must(t, server.Create(t.Context(), homeserver.NewAccount{Localpart: "bert", Password: "long enough"}))
			bert := around.person(spec)
			bert.Address = "2001:db8::1" // Synapse wants to know
			bert.Localpart = "bert"
			if !bert.LogIn(t, "long enough") {
				t.Fatal("cannot log in")
			}
			const size = 300_000
			if answer := bert.Send(t, http.MethodPost, "/_matrix/media/v3/upload", "application/octet-stream", bytes.Repeat([]byte("hafen!"), size/6)); answer.Status != http.StatusOK {
				t.Fatalf("upload: %d %s", answer.Status, answer.Raw)
			}
			if answer := bert.Ask(t, http.MethodGet, "/_matrix/client/v1/media/download/"+partner+"/abc", nil); answer.Status != http.StatusOK {
				t.Fatalf("a file from elsewhere: %d %s", answer.Status, answer.Raw)
			}
			usage, err := around.Usage(t.Context(), spec)
			must(t, err)
			if away := int64(len(remoteFile)); usage.RemoteBytes < away || usage.RemoteBytes > away+8<<10 || usage.MediaBytes < size || usage.MediaBytes > size+16<<10 {
				t.Errorf("%+v, with %d bytes of its own and %d from elsewhere", usage, size, away)
			}

			// An hour passes; one file is left that nobody knows.
			media := filepath.Join(around.config.DataDir, "tenants", string(spec.ID), "data", "media")
			then := time.Now().Add(-time.Hour)
			orphan := filepath.Join(media, filepath.FromSlash(mediaTrees[spec.Engine].orphan))
			must(t, os.MkdirAll(filepath.Dir(orphan), 0o700))
			must(t, os.WriteFile(orphan, bytes.Repeat([]byte("x"), 4096), 0o600))
			must(t, filepath.WalkDir(media, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.Type().IsRegular() {
					err = os.Chtimes(path, then, then)
				}
				return err
			}))
			if orphans, err := around.Orphans(t.Context(), spec); err != nil || orphans != 4096 {
				t.Errorf("%d bytes of orphans, %v", orphans, err)
			}
		})
	}
}
