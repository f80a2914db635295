package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// settings is the whole postgresql.conf: what is not here has PostgreSQL's default.
const settings = `# Written by Hafen at every start; changes made here are lost.

# No network: tenants and Hafen come through the Unix socket. Containers with other user ids connect to it,
# so it is open to connect, and pg_hba.conf decides who gets in.
listen_addresses = ''
unix_socket_directories = '"%s"'
unix_socket_permissions = 0777
password_encryption = 'scram-sha-256'

# Many small tenants, most of them idle. A homeserver that runs keeps two or three connections open, one that sleeps
# none, so 2000 is some 700 awake homeservers; an unused slot costs 30 kB of lock table, a used one 2 to 5 MB.
# Each tenant role has its own connection limit besides.
max_connections = 2000
superuser_reserved_connections = 10
max_wal_senders = 0

# Small on purpose: the databases are small and many, the page cache of the kernel serves them all and gives memory
# back to the tenants' containers, which this one machine has to hold too.
shared_buffers = 256MB
work_mem = 4MB
maintenance_work_mem = 64MB

# The homeservers' queries are short look-ups: compiling them costs more than it saves, and a parallel plan would let
# one tenant take several cores.
jit = off
max_parallel_workers_per_gather = 0

# The launcher wakes once per database in this time. With PostgreSQL's one minute and a thousand databases it would
# never rest; five minutes are short beside the growth of a small server.
autovacuum_naptime = 5min
autovacuum_max_workers = 3
autovacuum_vacuum_scale_factor = 0.1

max_wal_size = 2GB
checkpoint_timeout = 15min

timezone = 'UTC'
datestyle = 'iso, ymd'
default_text_search_config = 'pg_catalog.simple'
lc_messages = 'C'
cluster_name = 'hafen'

# Seven files, one a weekday, each begun anew after a week.
logging_collector = on
log_directory = 'log'
log_filename = 'postgres-%%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_line_prefix = '%%m [%%p] %%q%%u@%%d '
log_checkpoints = off
# A failed CREATE ROLE would put its password into the log.
log_min_error_statement = panic
`

const volatileSettings = `
# A test cluster: its data need not survive a power cut.
fsync = off
synchronous_commit = off
full_page_writes = off
`

// access is pg_hba.conf, read from top to bottom. A tenant's role and database have the same name, so "sameuser" lets
// it reach its own database and no other. The superuser role answers to the kernel's word on who is calling, which no
// container can forge as long as none runs with the user id of root or of the user that runs Hafen.
const access = `# Written by Hafen at every start; changes made here are lost.
local  all          hafen  peer map=hafen
local  sameuser     all    scram-sha-256
local  all          all    reject
local  replication  all    reject
`

// configure writes the configuration files and says whether one of them changed.
func (c *Cluster) configure(dir string) (changed bool, err error) {
	text := fmt.Sprintf(settings, strings.ReplaceAll(c.config.SocketDir, `\`, `\\`))
	if c.config.Volatile {
		text += volatileSettings
	}
	files := []struct{ name, text string }{
		{"postgresql.conf", text},
		{"pg_hba.conf", access},
		{"pg_ident.conf", fmt.Sprintf("# Written by Hafen at every start; changes made here are lost.\nhafen \"%s\" hafen\n", c.owner.self)},
	}
	for _, file := range files {
		replaced, err := c.replace(filepath.Join(dir, file.name), []byte(file.text))
		if err != nil {
			return false, fmt.Errorf("write PostgreSQL's %s: %w", file.name, err)
		}
		changed = changed || replaced
	}
	return changed, nil
}

// replace puts a file in place in one step, so a postmaster never reads half of it.
func (c *Cluster) replace(path string, content []byte) (bool, error) {
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return false, err
	}
	if err := c.owner.own(next); err != nil {
		return false, err
	}
	return true, os.Rename(next, path)
}
