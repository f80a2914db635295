package tenant_test

import (
	"testing"

	"hafen/tenant"
)

// The whole table, written out: row may become column. A change of the life of a tenant is a change of this picture.
func TestTransitionTable(t *testing.T) {
	t.Parallel()
	const table = `
		                 aw_pay aw_dom provis active asleep suspen deleti delete
		awaiting_payment .      x      x      .      .      .      x      x
		awaiting_domain  .      .      x      .      .      x      x      x
		provisioning     .      .      .      x      .      x      x      .
		active           .      .      x      .      x      x      x      .
		asleep           .      .      x      x      .      x      x      .
		suspended        .      x      x      .      .      .      x      .
		deleting         x      x      x      .      .      x      .      x
		deleted          .      .      .      .      .      .      .      .`
	rows := parseTable(table)
	if len(rows) != len(tenant.Statuses) {
		t.Fatalf("%d rows for %d statuses", len(rows), len(tenant.Statuses))
	}
	for i, from := range tenant.Statuses {
		if rows[i][0] != string(from) || len(rows[i]) != len(tenant.Statuses)+1 {
			t.Fatalf("row %d is %v", i, rows[i])
		}
		for j, to := range tenant.Statuses {
			if got, want := from.CanBecome(to), rows[i][j+1] == "x"; got != want {
				t.Errorf("%s → %s: %t, want %t", from, to, got, want)
			}
		}
	}
}

func TestEveryStatusReachesDeleted(t *testing.T) {
	t.Parallel()
	for _, start := range tenant.Statuses {
		seen := map[tenant.Status]bool{start: true}
		for queue := []tenant.Status{start}; len(queue) > 0; queue = queue[1:] {
			for _, next := range tenant.Statuses {
				if queue[0].CanBecome(next) && !seen[next] {
					seen[next] = true
					queue = append(queue, next)
				}
			}
		}
		if !seen[tenant.Deleted] {
			t.Errorf("%s has no way to an end", start)
		}
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	for status, want := range map[tenant.Status]tenant.Goal{
		tenant.AwaitingPayment: tenant.GoalNone, tenant.AwaitingDomain: tenant.GoalNone, tenant.Provisioning: tenant.GoalRun,
		tenant.Active: tenant.GoalRun, tenant.Asleep: tenant.GoalStop, tenant.Suspended: tenant.GoalStop,
		tenant.Deleting: tenant.GoalStop, tenant.Deleted: tenant.GoalRemove,
	} {
		if got := status.Goal(false); got != want {
			t.Errorf("%s: %s, want %s", status, got, want)
		}
	}
	if got := tenant.Deleting.Goal(true); got != tenant.GoalRemove {
		t.Errorf("deleting after its grace: %s", got)
	}
}
