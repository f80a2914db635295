package tenant_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"hafen/tenant"
)

var schedule = tenant.Schedule{Remind: 3, Restrict: 10, Suspend: 20, Announce: 45, Delete: 60}

func TestTheDaysOfDunning(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, time.November, 1, 12, 0, 0, 0, time.UTC)
	for day, want := range map[int]tenant.Stage{
		-10: tenant.StagePaid, 0: tenant.StagePaid, 2: tenant.StagePaid, 3: tenant.StageOverdue, 9: tenant.StageOverdue,
		10: tenant.StageRestricted, 20: tenant.StageSuspended, 44: tenant.StageSuspended, 45: tenant.StageAnnounced, 60: tenant.StageDeleted,
		900: tenant.StageDeleted,
	} {
		if got := schedule.Stage(tenant.Owing{Due: due}, due.AddDate(0, 0, day)); got != want {
			t.Errorf("day %d: %s, want %s", day, got, want)
		}
	}
	paused := tenant.Owing{Due: due, PausedUntil: due.AddDate(0, 0, 40)}
	for day, want := range map[int]tenant.Stage{
		2: tenant.StagePaid, 30: tenant.StageOverdue, 40: tenant.StageOverdue, 49: tenant.StageOverdue, 50: tenant.StageRestricted, 100: tenant.StageDeleted,
	} {
		if got := schedule.Stage(paused, due.AddDate(0, 0, day)); got != want {
			t.Errorf("paused, day %d: %s, want %s", day, got, want)
		}
	}
}

func drawSchedule(t *rapid.T) tenant.Schedule {
	remind := rapid.IntRange(0, 30).Draw(t, "remind")
	restrict := remind + rapid.IntRange(0, 30).Draw(t, "restrict")
	suspend := restrict + rapid.IntRange(0, 30).Draw(t, "suspend")
	announce := suspend + rapid.IntRange(0, 30).Draw(t, "announce")
	return tenant.Schedule{Remind: remind, Restrict: restrict, Suspend: suspend, Announce: announce, Delete: announce + rapid.IntRange(1, 30).Draw(t, "delete")}
}

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

func drawMoment(t *rapid.T, name string) time.Time {
	return epoch.Add(time.Duration(rapid.IntRange(0, 300*24).Draw(t, name)) * time.Hour)
}

// With time it only gets worse; a pause makes nothing worse; and who owes nothing has paid.
func TestStagesOnlyGrowWithTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t)
		o := tenant.Owing{Due: drawMoment(t, "due")}
		plain := o
		if rapid.Bool().Draw(t, "paused") {
			o.PausedUntil = drawMoment(t, "until")
		}
		early, late := drawMoment(t, "early"), drawMoment(t, "late")
		if late.Before(early) {
			early, late = late, early
		}
		first, second := s.Stage(o, early), s.Stage(o, late)
		if !second.Reached(first) {
			t.Fatalf("from %s back to %s", first, second)
		}
		if !s.Stage(plain, early).Reached(first) {
			t.Fatalf("a pause made it worse: %s", first)
		}
		if early.Before(o.PausedUntil) && first.Reached(tenant.StageRestricted) {
			t.Fatalf("%s while it waits", first)
		}
		if early.Before(o.Due) && first != tenant.StagePaid {
			t.Fatalf("%s before it was due", first)
		}
		if got := s.Stage(tenant.Owing{PausedUntil: o.PausedUntil}, late); got != tenant.StagePaid {
			t.Fatalf("%s though nothing is owed", got)
		}
	})
}

// However rarely somebody looks, and however the days are changed in between: nothing is deleted unannounced, or too soon.
func TestNothingIsDeletedUnannounced(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		due, now := drawMoment(t, "due"), epoch
		stage, since := tenant.StagePaid, now
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(1, 40*24).Draw(t, "pause")) * time.Hour)
			s := drawSchedule(t)
			next := s.Next(stage, since, tenant.Owing{Due: due}, now)
			if next == tenant.StageDeleted && stage != tenant.StageDeleted {
				if promised := since.In(tenant.Zone).AddDate(0, 0, s.Delete-s.Announce); stage != tenant.StageAnnounced || now.Before(promised) {
					t.Fatalf("deleted from %s after %s", stage, now.Sub(since))
				}
				if s.Deletion(stage, since, tenant.Owing{Due: due}).After(now) {
					t.Fatal("deleted before the day that was named")
				}
			}
			if next != stage {
				stage, since = next, now
			}
		}
	})
}
