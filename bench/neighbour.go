package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/internal/hafentest"
)

// How much a tenant that has lost its head does at once: more processes than it has processor, and as many statements as its
// role has connections.
const (
	busyProcesses  = 4
	busyStatements = 15
	busyFor        = 15 * time.Second
	ragePassword   = "rage"
	longStatement  = `select count(distinct md5(n::text)) from generate_series(1, 10000000) n`
	shortStatement = `select count(distinct md5(n::text)) from generate_series(1, 50000) n`
)

// measureNeighbour asks one server while another does nothing, and again while that one takes all it can get: processor and
// memory within its control groups, the disk below its volume, the database by its role.
func measureNeighbour(b *bed, h *hafentest.Hafen, r *report) {
	customer := h.NewCustomer("neighbours@example.org")
	calm, greedy := customer.Server("basic", "calm"), customer.Server("basic", "greedy")
	calm.AddMember("bert")
	client := h.HTTPClient()
	base := calm.BaseURL()
	var session struct {
		Token string `json:"access_token"`
	}
	exchange(b, client, http.MethodPost, base+"/_matrix/client/v3/login", map[string]any{
		"type": "m.login.password", "password": hafentest.Password, "identifier": map[string]string{"type": "m.id.user", "user": "bert"},
	}, &session)
	ask := func() (times []float64) {
		for whole := newStopwatch(); whole.seconds() < busyFor.Seconds(); pause(b, 20*time.Millisecond) {
			watch := newStopwatch()
			joinedRooms(b, client, base, session.Token)
			times = append(times, watch.seconds()*1000)
		}
		return times
	}
	quiet := ask()
	r.sample("a neighbour is quiet: an answer from the database", "ms", quiet, nil)
	for _, how := range []struct {
		name       string
		reconnects bool
	}{{"takes all it can get", false}, {"takes all it can get and connects anew for each statement", true}} {
		rage := newRage(b, h, greedy, how.reconnects)
		beside := ask()
		rage.stop()
		tell("neighbour: %d answers while the other is quiet, %d while it %s", len(quiet), len(beside), how.name)
		r.sample("a neighbour "+how.name+": an answer from the database", "ms", beside, quiet)
	}
}

// joinedRooms is a question that needs the database.
func joinedRooms(b *bed, client *http.Client, base, token string) {
	request, err := http.NewRequestWithContext(b.ctx, http.MethodGet, base+"/_matrix/client/v3/joined_rooms", nil)
	b.must("make a request", err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	b.must("ask the neighbour", err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	b.must("read the neighbour's answer", err)
	if response.StatusCode != http.StatusOK {
		b.Fatalf("the neighbour answers %s", response.Status)
	}
}

// rage is what a tenant does that has lost its head.
type rage struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newRage(b *bed, h *hafentest.Hafen, s hafentest.Server, reconnects bool) *rage {
	// It is within the tenant's power to log in as its role: the password is in its configuration. Ours is a new one.
	login := h.DSN("postgres")
	admin, err := pgx.Connect(b.ctx, login)
	b.must("connect to the database", err)
	defer admin.Close(b.ctx)
	_, err = admin.Exec(b.ctx, "ALTER ROLE "+pgx.Identifier{s.ID.Role()}.Sanitize()+" PASSWORD '"+ragePassword+"'")
	b.must("set the greedy one's password", err)
	config := admin.Config().Copy()
	config.User, config.Database, config.Password = s.ID.Role(), s.ID.Role(), ragePassword
	statement := longStatement
	if reconnects {
		statement = shortStatement
	}
	pid, err := strconv.Atoi(output(b.ctx, "docker", "inspect", "--format", "{{.State.Pid}}", s.ID.Container()))
	b.must("find the tenant's process", err)
	ctx, cancel := context.WithCancel(b.ctx)
	r := &rage{cancel: cancel}
	r.repeat(ctx, busyProcesses, func() { within(ctx, pid, "yes") })
	r.repeat(ctx, 1, func() { within(ctx, pid, "tail", "/dev/zero") }) // keeps all it reads, until the kernel ends it
	volume := filepath.Join(h.Data, "tenants", string(s.ID), "data", "rage")
	r.repeat(ctx, 1, func() { within(ctx, pid, "dd", "if=/dev/zero", "of="+volume, "bs=1M", "count=256", "conv=fdatasync") })
	r.repeat(ctx, busyStatements, func() { query(ctx, config, statement) })
	return r
}

func (r *rage) stop() {
	r.cancel()
	r.done.Wait()
}

func (r *rage) repeat(ctx context.Context, times int, do func()) {
	for range times {
		r.done.Go(func() {
			for ctx.Err() == nil {
				do()
			}
		})
	}
}

// within runs a program in the control groups of a process. That it ends badly is meant: its limits end it.
func within(ctx context.Context, pid int, program string, arguments ...string) {
	command := exec.CommandContext(ctx, program, arguments...)
	if command.Start() != nil {
		return
	}
	for line := range strings.Lines(file("/proc/" + strconv.Itoa(pid) + "/cgroup")) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		procs := filepath.Join("/sys/fs/cgroup", controllers, path, "cgroup.procs") // version 2 has no controllers there
		_ = os.WriteFile(procs, []byte(strconv.Itoa(command.Process.Pid)), 0)       // a named hierarchy limits nothing
	}
	_ = command.Wait()
}

// query keeps one connection of the tenant's role busy.
func query(ctx context.Context, config *pgx.ConnConfig, statement string) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, _ = conn.Exec(ctx, statement)
}
