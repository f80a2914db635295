package templates

import "slices"

// The pages of one server. Server.Pages names those that whoever looks may open.
const (
	PageOverview   = "overview"
	PageMembers    = "members"
	PageRooms      = "rooms"
	PageMedia      = "media"
	PageNotices    = "notices"
	PageSettings   = "settings"
	PageColleagues = "colleagues"
	PagePlan       = "plan"
	PageBills      = "bills"
	PageReady      = "ready"
	PageDomain     = "domain"
	PageDelete     = "delete"
)

// serverPages lists the pages of a server in the order of its navigation: name, end of the address, word.
func serverPages(l Locale) []entry {
	return []entry{
		{"", l.T("server.nav.overview"), PageOverview},
		{"/members", l.T("server.nav.members"), PageMembers},
		{"/rooms", l.T("server.nav.rooms"), PageRooms},
		{"/media", l.T("server.nav.media"), PageMedia},
		{"/notices", l.T("server.nav.notices"), PageNotices},
		{"/settings", l.T("server.nav.settings"), PageSettings},
		{"/colleagues", l.T("server.nav.colleagues"), PageColleagues},
		{"/plan", l.T("plan.word"), PagePlan},
		{"/bills", l.T("server.nav.bills"), PageBills},
		{"/ready", l.T("server.nav.ready"), PageReady},
		{"/domain", l.T("server.nav.domain"), PageDomain},
		{"/delete", l.T("server.nav.delete"), PageDelete},
	}
}

// serverNavigation lists the pages of one server that its visitor may open and that make sense in its status.
func serverNavigation(l Locale, s Server) []entry {
	var list []entry
	for _, e := range serverPages(l) {
		if slices.Contains(s.Pages, e.Section) && sensible(s, e.Section) {
			e.URL = string(link("/servers/", s.ID)) + e.URL
			list = append(list, e)
		}
	}
	return list
}

// sensible reports whether a page has something to show in the server's status.
func sensible(s Server, page string) bool {
	switch page {
	case PageOverview, PageBills:
		return true
	case PageDomain:
		return s.OwnDomain
	case PageDelete:
		return s.Status != StatusDeleting && s.Status != StatusDeleted
	default:
		return s.Status == StatusActive || s.Status == StatusAsleep
	}
}
