package main

import (
	"log/slog"
	"strings"
	"testing"

	"hafen/internal/pgtest"
)

func TestTenantsNeedTheirPasswordOnAForeignServer(t *testing.T) {
	t.Parallel()
	own := hbaRule{[]string{"all"}, []string{"hafen"}, "peer"}
	tenants := hbaRule{[]string{"sameuser"}, []string{"all"}, "scram-sha-256"}
	peer := hbaRule{[]string{"all"}, []string{"all"}, "peer"}
	trust := hbaRule{[]string{"all"}, []string{"all"}, "trust"}
	for name, c := range map[string]struct {
		rules []hbaRule
		says  string
	}{
		"ours":           {[]hbaRule{own, tenants}, ""},
		"before peer":    {[]hbaRule{own, tenants, peer}, ""},
		"Debian's":       {[]hbaRule{own, peer}, `by "peer"`},
		"after peer":     {[]hbaRule{peer, tenants}, `by "peer"`},
		"trust":          {[]hbaRule{trust}, `by "trust"`},
		"own roles only": {[]hbaRule{own}, "lets no tenants' roles in"},
	} {
		err := checkTenantLogin(c.rules)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAForeignServerIsTakenOverItsSocketOnly(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	db, err := settings{DatabaseURL: server.DSN}.openDatabases(t.Context(), slog.Default())
	if err != nil || db.tenants.SocketDir != server.SocketDir {
		t.Fatalf("%+v, %v", db, err)
	}
	for address, says := range map[string]string{
		"postgres://hafen:geheim@127.0.0.1/hafen":          "Unix socket",
		"postgres://hafen:geheim@/hafen?host=/nonexistent": "connect to DATABASE_URL",
		"postgres://hafen:geheim@[/":                       "no PostgreSQL address",
	} {
		_, err := settings{DatabaseURL: address}.openDatabases(t.Context(), slog.Default())
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
