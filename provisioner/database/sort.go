package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/provisioner/cgroup"
	"hafen/tenant"
)

// The groups of processes that are no tenant's; a tenant's has the name of its role.
const (
	// The postmaster stays here, so that its children are born here, and whoever has not logged in yet is here too.
	arrivals = "arrivals"
	// What serves all: the cluster's own processes, and Hafen's connections.
	service = "service"
)

// Sorter puts each process of the cluster into a control group: a tenant's backends into one of its own, which has as much
// processor time as its container. The cluster must be one that Hafen runs, on this machine.
//
// A backend is born beside the postmaster and sorted once it has logged in, within [sortInterval]. Who logs in again and again
// is always among the arrivals, and so has no more than they all have together: the share of one tenant. It is so with everybody
// who logs in while no sorter runs.
type Sorter struct {
	Cluster *Cluster
	Groups  *cgroup.Tree
	// Millis is how much processor time a tenant's backends have together, in thousandths of a processor.
	Millis func(context.Context, tenant.ID) (int, error)
	// Longest is how long a tenant's transaction may last; zero is [longest].
	Longest time.Duration
	Log     *slog.Logger
}

// A role may set its timeouts as it likes, and Synapse does: ten minutes for a statement. What is open for much longer keeps the
// whole cluster from forgetting old transactions, of which there are two thousand millions before it stops for good (PostgreSQL
// manual, "Preventing Transaction ID Wraparound Failures").
const longest = time.Hour

// While nobody logs in, a look at the arrivals is the reading of one file.
const (
	sortInterval = 50 * time.Millisecond
	// Who has not logged in by now is looked at again after as long.
	lookAgain = time.Second
	// All are looked at, and what has gone is cleared away.
	sweepInterval = time.Minute
)

// Run sorts until ctx ends. It survives the cluster's restart.
func (s *Sorter) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := s.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.Log.WarnContext(ctx, "new database connections are not sorted by tenant, will be tried again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(lookAgain):
		}
	}
	return nil
}

// session sorts over one connection, until that breaks.
func (s *Sorter) session(ctx context.Context) error {
	config := s.Cluster.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["application_name"] = "hafen sorter"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return wrap("connect", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	round, err := s.begin(conn)
	if err != nil {
		return err
	}
	look, sweep := time.NewTicker(sortInterval), time.NewTicker(sweepInterval)
	defer look.Stop()
	defer sweep.Stop()
	if err := round.sweep(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			err = round.look(ctx)
		case <-sweep.C:
			err = round.sweep(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// round is what a session of the sorter knows.
type round struct {
	*Sorter
	conn       *pgx.Conn
	postmaster int
	waiting    map[int]time.Time // arrivals that were nobody's when last looked at
}

func (s *Sorter) begin(conn *pgx.Conn) (*round, error) {
	own := int(conn.PgConn().PID())
	postmaster, err := parent(own)
	if err != nil {
		return nil, wrap("find the postmaster", err)
	}
	for _, group := range []string{service, arrivals} {
		if err := s.Groups.Ensure(group, 0); err != nil {
			return nil, err
		}
	}
	if err := s.Groups.Move(arrivals, postmaster); err != nil {
		return nil, err
	}
	return &round{s, conn, postmaster, map[int]time.Time{}}, nil
}

// look sorts the new ones among the arrivals.
func (r *round) look(ctx context.Context) error {
	pids, err := r.Groups.Processes(arrivals)
	if err != nil {
		return err
	}
	if !slices.Contains(pids, r.postmaster) {
		return errPostmasterGone // there may be another one by now
	}
	now := time.Now()
	maps.DeleteFunc(r.waiting, func(pid int, _ time.Time) bool { return !slices.Contains(pids, pid) })
	pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == r.postmaster || now.Sub(r.waiting[pid]) < lookAgain })
	if len(pids) == 0 {
		return nil
	}
	for _, pid := range pids {
		r.waiting[pid] = now
	}
	return r.sort(ctx, pids)
}

// A process has a row from when its login is accepted, with the role that the server has made sure of; what a process says of
// itself in its title it says before. Autovacuum's workers have a database and no role: a table's owner decides how long they take,
// by what its indexes compute.
const processesSQL = `
SELECT pid, coalesce(usename, datname, '') FROM pg_stat_activity WHERE $1::int[] IS NULL OR pid = ANY($1) ORDER BY pid`

// sort puts processes into their groups; all of them when pids is nil.
func (r *round) sort(ctx context.Context, pids []int) error {
	rows, err := r.conn.Query(ctx, processesSQL, pids)
	if err != nil {
		return wrap("ask whose the processes are", err)
	}
	type process struct {
		PID   int
		Owner string
	}
	processes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[process])
	if err != nil {
		return wrap("ask whose the processes are", err)
	}
	for _, p := range processes {
		if err := r.place(ctx, p.PID, p.Owner); err != nil {
			// It stays where it is, bounded with the arrivals, until the next look.
			r.Log.WarnContext(ctx, "a database connection is not sorted, will be tried again", "owner", p.Owner, "error", err)
			continue
		}
		delete(r.waiting, p.PID)
	}
	return nil
}

func (r *round) place(ctx context.Context, pid int, owner string) error {
	group := service
	if id, err := tenant.ParseID(strings.TrimPrefix(owner, "hs_")); err == nil && owner == id.Role() {
		group = owner
		if err := r.bound(ctx, id); err != nil {
			return err
		}
	}
	// It may have ended since, and its number gone to another program, which must not get into a tenant's group.
	if of, err := parent(pid); err != nil || of != r.postmaster {
		return nil
	}
	return r.Groups.Move(group, pid)
}

// bound sees to it that the tenant has its group. One that is in use has its bound: who changes the tenant's, changes this one.
func (r *round) bound(ctx context.Context, id tenant.ID) error {
	pids, err := r.Groups.Processes(id.Role())
	if err != nil || len(pids) > 0 {
		return err
	}
	millis, err := r.Millis(ctx, id)
	if err != nil {
		return err
	}
	return r.Groups.Ensure(id.Role(), millis)
}

const endSQL = `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(usename, 'hs_') AND xact_start < now() - $1::interval`

// sweep sorts everybody, ends what has no end, and removes the groups of tenants that have no backend any more.
func (r *round) sweep(ctx context.Context) error {
	if err := r.sort(ctx, nil); err != nil {
		return err
	}
	if _, err := r.conn.Exec(ctx, endSQL, cmp.Or(r.Longest, longest)); err != nil {
		return wrap("end transactions without end", err)
	}
	groups, err := r.Groups.Groups()
	if err != nil {
		return err
	}
	for _, group := range groups {
		if group == service || group == arrivals {
			continue
		}
		if err := r.Groups.Drop(group); err != nil {
			return err
		}
	}
	return nil
}

var (
	errNotHere        = errors.New("no such process on this machine")
	errPostmasterGone = errors.New("the postmaster has ended")
)

// parent is the process that has started another (proc_pid_stat(5)).
func parent(pid int) (int, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errNotHere, err)
	}
	// The second field, in brackets, is a name that may hold anything.
	_, rest, _ := strings.Cut(string(content[strings.LastIndexByte(string(content), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0, errNotHere
	}
	return strconv.Atoi(fields[1])
}
