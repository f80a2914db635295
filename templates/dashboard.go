package templates

// Dashboard is /servers/{id} of a server that has been made. The live parts are
// replaced by the SSE events "state" (DashboardState) and "usage" (DashboardUsage)
// of EventsURL.
type Dashboard struct {
	Server        Server
	HomeserverURL string
	Conditions    []Condition
	Seats         Seats
	Storage       Storage
	// ManagesMembers says that whoever looks may add some, and that the server can take them.
	ManagesMembers bool
	// AskAddress says that nobody has said yet who pays, to whoever may say it.
	AskAddress bool
	EventsURL  string
}

// ServerDelete is /servers/{id}/delete. Field: name (the server name, typed);
// posted to the same address. POST /servers/{id}/restore undoes it during the grace period.
type ServerDelete struct {
	Server    Server
	GraceDays int
	Members   int
	Form      Form
}

func conditionSentence(l Locale, c Condition) string {
	if c.OK {
		return l.Coded("condition", c.Kind+".ok", nil)
	}
	return l.Coded("condition", c.Kind+"."+c.Code, nil)
}

func conditionWord(l Locale, ok bool) string {
	if ok {
		return l.T("dashboard.condition.ok")
	}
	return l.T("dashboard.condition.bad")
}

func seatsSentence(l Locale, s Seats) string {
	if s.full() {
		return l.T("usage.seats.full")
	}
	return l.T("usage.seats.free", "Count", s.Limit-s.Used)
}

// stopped reports whether the server stands still because somebody wants it to: then nothing is wrong that has to be looked at.
func stopped(s Server) bool {
	switch s.Status {
	case StatusSuspended, StatusDeleting, StatusDeleted, StatusAsleep:
		return true
	default:
		return false
	}
}

func conditionsMet(conditions []Condition) int {
	met := 0
	for _, c := range conditions {
		if c.OK {
			met++
		}
	}
	return met
}
