package tenant

import (
	"slices"
	"time"
)

// Stage is how far it has come with a server that is not paid for.
type Stage string

// The stages, in their order.
const (
	StagePaid       Stage = "paid"       // nothing is owed, or not for long enough to speak of it
	StageOverdue    Stage = "overdue"    // reminded
	StageRestricted Stage = "restricted" // nothing new comes in; everything can be read and taken away
	StageSuspended  Stage = "suspended"  // stopped
	StageAnnounced  Stage = "announced"  // stopped, and its deletion is announced
	StageDeleted    Stage = "deleted"    // being deleted, with the usual grace period
)

// Stages lists them in their order.
var Stages = []Stage{StagePaid, StageOverdue, StageRestricted, StageSuspended, StageAnnounced, StageDeleted}

// Reached reports whether s is other or worse.
func (s Stage) Reached(other Stage) bool {
	return slices.Index(Stages, s) >= slices.Index(Stages, other)
}

// Schedule is after how many days past its due date an unpaid bill leads to each stage. Days never shrink from one to the next.
type Schedule struct{ Remind, Restrict, Suspend, Announce, Delete int }

// Owing is what decides about a stage.
type Owing struct {
	Due         time.Time // of the oldest unpaid bill; zero when nothing is owed
	PausedUntil time.Time // dunning waits, by an operator's word; zero when it does not
}

// Stage is what the days say. It only grows with time. While dunning waits nothing is worse than overdue, and when the wait
// ends the days count from its end: whoever was given until Friday is not shut off on Friday night.
func (s Schedule) Stage(o Owing, now time.Time) Stage {
	if o.Due.IsZero() || now.Before(days(o.Due, s.Remind)) {
		return StagePaid
	}
	begin := o.Due
	if o.PausedUntil.After(begin) {
		begin = o.PausedUntil
	}
	stage := StageOverdue
	for _, step := range []struct {
		stage Stage
		after int
	}{{StageRestricted, s.Restrict}, {StageSuspended, s.Suspend}, {StageAnnounced, s.Announce}, {StageDeleted, s.Delete}} {
		if !now.Before(days(begin, step.after)) && !now.Before(o.PausedUntil) {
			stage = step.stage
		}
	}
	return stage
}

// Next is the stage to go to from the one that was recorded. It is what the days say, but for one thing that cannot be undone:
// nothing is deleted that was not announced, and for as long as the schedule promises, even when the days were changed meanwhile
// or nobody was there to look.
func (s Schedule) Next(recorded Stage, since time.Time, o Owing, now time.Time) Stage {
	stage := s.Stage(o, now)
	if stage != StageDeleted || recorded == StageDeleted {
		return stage
	}
	if recorded != StageAnnounced || now.Before(days(since, s.Delete-s.Announce)) {
		return StageAnnounced
	}
	return stage
}

// Deletion is when what is owed now leads to deletion, if nothing happens.
func (s Schedule) Deletion(recorded Stage, since time.Time, o Owing) time.Time {
	begin := o.Due
	if o.PausedUntil.After(begin) {
		begin = o.PausedUntil
	}
	at := days(begin, s.Delete)
	if earliest := days(since, s.Delete-s.Announce); recorded == StageAnnounced && earliest.After(at) {
		return earliest
	}
	return at
}

// days counts those of the calendar: whoever may pay until a day may do so until it ends, also when the clocks were changed.
func days(t time.Time, n int) time.Time { return t.In(Zone).AddDate(0, 0, n) }
