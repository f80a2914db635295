package provisioner_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"hafen/images"
	"hafen/provisioner/database"
	"hafen/tenant"
	"hafen/tenant/homeserver"
	suite "hafen/tenant/homeserver/conformance"
	"hafen/tenant/homeserver/dendrite"
	"hafen/tenant/homeserver/synapse"
)

// tested is what the suite needs to know of an engine beside its Description.
type tested struct {
	engine homeserver.Engine
	image  string // one of images.Engines
	// crowd puts $2 accounts of the server $1 into the engine's tables, as suite.Site.Crowd says.
	crowd []string
}

var engines = []tested{
	{engine: dendrite.Engine{}, image: images.Dendrite, crowd: []string{
		`INSERT INTO userapi_accounts (localpart, server_name, created_ts, password_hash, is_deactivated, account_type)
		 SELECT 'crowd-' || lpad(n::text, 5, '0'), $1, 1700000000000, '', false, 1 FROM generate_series(0, $2::int - 1) n`,
		`INSERT INTO userapi_profiles (localpart, server_name, display_name, avatar_url)
		 SELECT 'crowd-' || lpad(n::text, 5, '0'), $1, 'Person ' || lpad(n::text, 5, '0') || ' of the crowd', ''
		   FROM generate_series(0, $2::int - 1) n`,
	}},
	{engine: synapse.Engine{}, image: images.Synapse, crowd: []string{
		`INSERT INTO users (name, creation_ts)
		 SELECT '@crowd-' || lpad(n::text, 5, '0') || ':' || $1, 1700000000 FROM generate_series(0, $2::int - 1) n`,
		`INSERT INTO profiles (user_id, full_user_id, displayname)
		 SELECT 'crowd-' || lpad(n::text, 5, '0'), '@crowd-' || lpad(n::text, 5, '0') || ':' || $1,
		        'Person ' || lpad(n::text, 5, '0') || ' of the crowd'
		   FROM generate_series(0, $2::int - 1) n`,
	}},
}

// Every engine passes one suite, in the container and on the database that it has when it is sold.
func TestEngines(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.image, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			around := newSurroundings(t)
			suite.Run(t, suite.Bed{
				About: e.engine.Describe(), Site: s.server(t, e, e.spec(t, s)),
				Federating: func(t *testing.T, settings tenant.Settings) suite.Federation { return around.server(t, e, settings) },
			})
		})
	}
}

// spec is a new tenant's on the engine.
func (e tested) spec(t *testing.T, s *site) tenant.Spec {
	t.Helper()
	spec := s.spec(t)
	image, err := images.Recipe{Engine: e.image, Source: "../images", Cache: "../.cache"}.Ensure(t.Context(), s.docker)
	must(t, err)
	spec.Engine, spec.Image = e.engine.Describe().Name, image
	// The suite logs some forty people in, each of which costs what a password check must.
	spec.Limits.MemoryBytes, spec.Limits.CPUMillis = 512<<20, 2000
	return spec
}

// server runs a tenant for the suite.
func (s *site) server(t *testing.T, e tested, spec tenant.Spec) suite.Site {
	t.Helper()
	s.converge(t, t.Context(), spec)
	server, err := s.Server(t.Context(), spec)
	must(t, err)
	kept, err := s.config.Secrets.Load(t.Context(), spec.ID)
	must(t, err)
	cluster, err := database.Open(t.Context(), s.config.Database)
	must(t, err)
	t.Cleanup(cluster.Close)
	return suite.Site{
		Server: server, Name: spec.ServerName, Client: s.client(spec), Control: string(kept[homeserver.ControlToken]),
		MediaDir: filepath.Join(s.config.DataDir, "tenants", string(spec.ID), "data", e.engine.Describe().MediaDir),
		Crowd: func(t *testing.T, count int) {
			conn, err := cluster.Connect(t.Context(), spec.ID, kept[homeserver.DatabasePassword])
			must(t, err)
			defer conn.Close(context.WithoutCancel(t.Context()))
			for _, statement := range e.crowd {
				_, err := conn.Exec(t.Context(), statement, string(spec.ServerName), count)
				must(t, err)
			}
		},
		Stop:  func(t *testing.T) { must(t, s.Apply(t.Context(), spec, tenant.StopContainer)) },
		Start: func(t *testing.T) { s.converge(t, t.Context(), spec) },
	}
}

// client goes straight to the homeserver's socket, as the edge would for a member.
func (s *site) client(spec tenant.Spec) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", strings.TrimPrefix(s.Backend(spec), "unix:"))
		},
		DisableKeepAlives: true,
	}}
}

// person is somebody with a Matrix app, who is nobody yet.
func (s *site) person(spec tenant.Spec) *suite.Member {
	return &suite.Member{Client: s.client(spec), Server: spec.ServerName}
}

// surroundings are a site whose tenants reach other servers: behind the gateway's edge, both are one of the test's own.
type surroundings struct {
	*site
	numbers chan int // of tenants, for each has an address of its own
}

const (
	partner  = "partner.example.org"
	stranger = "stranger.example.org"
)

var remoteFile = []byte(strings.Repeat("a picture from elsewhere ", 4_001))

func newSurroundings(t *testing.T) surroundings {
	t.Helper()
	s := trustingSite(t, []string{partner, stranger}, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/_matrix/federation/v1/query/profile":
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"displayname":"Somebody elsewhere"}`))
		case strings.HasPrefix(r.URL.Path, "/_matrix/federation/v1/media/download/"):
			// Spec, "GET /_matrix/federation/v1/media/download/{mediaId}".
			w.Header().Set("Content-Type", "multipart/mixed; boundary=part")
			fmt.Fprintf(w, "--part\r\nContent-Type: application/json\r\n\r\n{}\r\n--part\r\nContent-Type: image/png\r\n\r\n%s\r\n--part--\r\n", remoteFile)
		default:
			http.NotFound(w, r)
		}
	})
	numbers := make(chan int, 5)
	for n := range cap(numbers) {
		numbers <- n + 1
	}
	return surroundings{site: s, numbers: numbers}
}

func (s surroundings) server(t *testing.T, e tested, settings tenant.Settings) suite.Federation {
	t.Helper()
	spec := e.spec(t, s.site)
	if settings.Federation == tenant.FederationList {
		settings.Partners = []tenant.Domain{partner}
	}
	spec.Number, spec.Settings = <-s.numbers, settings
	return suite.Federation{Site: s.site.server(t, e, spec), Partner: partner, Stranger: stranger, File: remoteFile}
}
