package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hafen/internal/hafentest"
)

// fill orders until n tenants are active.
func fill(b *bed, h *hafentest.Hafen, n int) {
	const active = `select count(*)::int from tenants where status = 'active'`
	customer := h.NewCustomer("many@example.org")
	for have := hafentest.Query[int](h, active); have < n; have++ {
		customer.Server("basic", fmt.Sprintf("many%d", have))
		if have%10 == 9 {
			tell("%d of %d tenants active", have+1, n)
		}
	}
}

// settled is how long after the last order the machine is left alone: jobs, checkpoints and collections of garbage that the orders
// caused are over by then, and a page's or a session's timers have fired.
const settled = 30 * time.Second

// measureIdle watches Hafen, its database cluster and its tenants while nobody does anything.
func measureIdle(b *bed, h *hafentest.Hafen, up *hafentest.Process, d time.Duration, r *report) {
	tell("%d tenants active; letting the machine come to rest", hafentest.Query[int](h, `select count(*)::int from tenants where status = 'active'`))
	pause(b, settled)
	postmaster, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(file(filepath.Join(postgresDir(b, h), "postmaster.pid")), "\n", 2)[0]))
	b.must("find the database cluster", err)
	servers := tenantProcesses(b, h)

	before := []float64{processorSeconds(up.PID()), family(postmaster, processorSeconds)}
	tenantsBefore := each(servers, processorSeconds)
	watch := newStopwatch()
	var resident []float64
	for watch.seconds() < d.Seconds() {
		resident = append(resident, residentMB(up.PID()))
		pause(b, time.Second)
	}
	took := watch.seconds()
	share := func(seconds float64) float64 { return round(100*seconds/took, 3) }

	r.sample(fmt.Sprintf("idle with %d tenants: hafen up, resident memory", len(servers)), "MB", resident, nil)
	r.once("idle: hafen up, processor", "% of a core", share(processorSeconds(up.PID())-before[0]))
	r.once("idle: database cluster, memory (shared counted once)", "MB", round(family(postmaster, proportionalMB), 1))
	r.once("idle: database cluster, processor", "% of a core", share(family(postmaster, processorSeconds)-before[1]))
	var busy []float64
	for i, after := range each(servers, processorSeconds) {
		busy = append(busy, share(after-tenantsBefore[i]))
	}
	r.sample("idle: one tenant, resident memory", "MB", each(servers, residentMB), nil)
	r.sample("idle: one tenant, memory (shared counted once)", "MB", each(servers, proportionalMB), nil)
	r.sample("idle: one tenant, processor", "% of a core", busy, nil)
}

func pause(b *bed, d time.Duration) {
	select {
	case <-b.ctx.Done():
		b.Fatalf("interrupted")
	case <-time.After(d):
	}
}

func postgresDir(b *bed, h *hafentest.Hafen) string {
	dir := hafentest.Query[string](h, `select current_setting('data_directory')`)
	if dir == "" {
		b.Fatalf("the cluster does not tell where its data is")
	}
	return dir
}

// tenantProcesses are the homeservers of this installation: one process a container.
func tenantProcesses(b *bed, h *hafentest.Hafen) []int {
	ids := strings.Fields(output(b.ctx, "docker", "ps", "-q", "--no-trunc", "--filter", "volume="+filepath.Join(h.Data, "run", "pg")))
	if len(ids) == 0 {
		b.Fatalf("no tenant runs")
	}
	var pids []int
	for text := range strings.FieldsSeq(output(b.ctx, append([]string{"docker", "inspect", "--format", "{{.State.Pid}}"}, ids...)...)) {
		pid, err := strconv.Atoi(text)
		b.must("read a process id", err)
		pids = append(pids, pid)
	}
	return pids
}

func each(pids []int, measure func(int) float64) []float64 {
	values := make([]float64, len(pids))
	for i, pid := range pids {
		values[i] = measure(pid)
	}
	return values
}

// family sums over a process and its children.
func family(pid int, measure func(int) float64) float64 {
	sum := measure(pid)
	for child := range strings.FieldsSeq(file(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))) {
		if child, err := strconv.Atoi(child); err == nil {
			sum += measure(child)
		}
	}
	return sum
}

// A processor's time is counted in hundredths of a second whatever the kernel's clock (USER_HZ, proc(5)).
const ticksPerSecond = 100

// processorSeconds is what a process has used, with those of its children that have ended: fields 14 to 17 of stat(5).
func processorSeconds(pid int) float64 {
	stat := file(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(stat, ") ") // a name may have blanks; the fields after it begin with the third
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0 // a child that has just ended
	}
	var ticks int64
	for _, text := range fields[11:15] {
		n, _ := strconv.ParseInt(text, 10, 64) // as the kernel writes it
		ticks += n
	}
	return float64(ticks) / ticksPerSecond
}

func residentMB(pid int) float64 {
	return round(float64(field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:"))*1024/1e6, 1)
}

// proportionalMB counts what processes share only once in their sum.
func proportionalMB(pid int) float64 {
	return round(float64(field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:"))*1024/1e6, 1)
}

// field is a number of a file of the kernel's in which lines begin with names.
func field(path, name string) int64 {
	for line := range strings.Lines(file(path)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == name {
			n, _ := strconv.ParseInt(words[1], 10, 64) // as the kernel writes it
			return n
		}
	}
	return 0
}

func file(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(content)
}
