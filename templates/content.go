package templates

import (
	"time"

	"github.com/a-h/templ"
)

// States of a long operation on what a server holds.
const (
	WorkOpen   = "open"
	WorkLate   = "late" // open, and the server does not answer as it should
	WorkDone   = "done"
	WorkFailed = "failed"
)

// Deletion is one such operation, as pages list it.
type Deletion struct {
	Kind    string // delete_room, delete_media, purge_remote_media
	State   string
	Failure string // `error.<Failure>` when it failed
	Actor   string // address
	At      time.Time
	// Name is the room's, Count the number of files or members, Days the age of copies.
	Name  string
	Count int
	Days  int
	// Freed of Expected bytes of files.
	Freed, Expected int64
	// Before and After are what the server took up, as measured; After is 0 when it was not measured yet.
	Before, After int64
}

// Deletions is the live list of them. It asks for itself again at URL while one is open; when one that was open has ended, the
// answer leads to Page, whose list has changed.
type Deletions struct {
	List []Deletion
	URL  string
	Page string
}

// Open is how many are under way.
func (d Deletions) Open() int {
	n := 0
	for _, one := range d.List {
		if one.State == WorkOpen || one.State == WorkLate {
			n++
		}
	}
	return n
}

func deletionWords(l Locale, d Deletion) string {
	switch d.Kind {
	case "delete_room":
		return l.T("rooms.work.room", "Name", d.Name, "Count", d.Count)
	case "purge_remote_media":
		if d.Days == 0 {
			return l.T("media.work.trimmed")
		}
		return l.T("media.work.remote", "Days", d.Days)
	default:
		return l.T("media.work.files", "Count", d.Count)
	}
}

// deletionResult is what came of it, or is to come.
func deletionResult(l Locale, d Deletion) string {
	files := d.Kind != "delete_room"
	switch {
	case d.State == WorkFailed && files && d.Freed > 0:
		return l.Error(d.Failure, nil) + " " + l.T("media.work.freed_before", "Freed", l.Bytes(d.Freed))
	case d.State == WorkFailed:
		return l.Error(d.Failure, nil)
	case d.State == WorkLate:
		return l.T("content.work.late")
	case d.State == WorkOpen && files && d.Expected > 0:
		return l.T("media.work.freeing", "Freed", l.Bytes(d.Freed), "Expected", l.Bytes(d.Expected))
	case d.State == WorkOpen:
		return l.T("content.work.open")
	case files:
		return l.T("media.work.freed", "Freed", l.Bytes(d.Freed), "Expected", l.Bytes(d.Expected))
	default:
		return l.T("rooms.work.done")
	}
}

// measured reports whether the measurements before and after tell something.
func (d Deletion) measured(l Locale) bool {
	return d.After > 0 && d.Before > 0 && l.Bytes(d.Before) != l.Bytes(d.After)
}

// engineName is a proper name, the same in every language.
func engineName(engine string) string {
	if engine == EngineSynapse {
		return "Synapse"
	}
	return "Dendrite"
}

func roomsURL(server, end string) templ.SafeURL { return link("/servers/", server, "/rooms", end) }

func mediaURL(server, end string) templ.SafeURL { return link("/servers/", server, "/media", end) }

func noticesURL(server, end string) templ.SafeURL { return link("/servers/", server, "/notices", end) }
