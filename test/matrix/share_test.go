package matrix

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hafen/internal/hafentest"
)

// What a server has the database compute is in a control group of its own, with half of what its container has.
func testShare(t *testing.T, p port) {
	server := p.order(t, "basic", "share")[0]
	settle(t, p, server, "uwe")
	millis := hafentest.Query[int](p.Hafen, `select cpu_millis from plans p join tenants t on t.plan_id = p.id where t.id = $1`, server.ID)
	p.Await(patience, "backends in their server's group", func() error {
		backends := hafentest.Query[[]int](p.Hafen, `select coalesce(array_agg(pid), '{}') from pg_stat_activity where usename = $1`, server.ID.Role())
		if len(backends) == 0 {
			return fmt.Errorf("the homeserver has no connection")
		}
		for _, pid := range backends {
			group, bound, err := processorGroup(pid)
			if err != nil {
				return err
			}
			if group != server.ID.Role() || bound != fmt.Sprintf("%d %d", millis/2*5, 5000) {
				return fmt.Errorf("process %d is in %q with %q", pid, group, bound)
			}
		}
		return nil
	})
}

// processorGroup is the name of the control group of a process, and its bound: microseconds in each period of so many.
func processorGroup(pid int) (group, bound string, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(content)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 || !strings.HasPrefix(parts[2], "/hafen-") {
			continue
		}
		files := []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"}
		if parts[1] == "" { // version 2, of which the one hierarchy has no controllers in its name
			files = []string{"cpu.max"}
		}
		var fields []string
		for _, file := range files {
			value, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", parts[1], parts[2], file))
			if err != nil {
				return "", "", err
			}
			fields = append(fields, strings.Fields(string(value))...)
		}
		return filepath.Base(parts[2]), strings.Join(fields, " "), nil
	}
	return "", "", nil
}
