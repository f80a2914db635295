package gallery

import (
	"net/http"

	"github.com/a-h/templ"

	"hafen/templates"
)

func entry(access templates.Access, name string, render func(p templates.Page) templ.Component) Entry {
	return Entry{Name: name, Access: access, Status: http.StatusOK, Render: render}
}

func failed(access templates.Access, name string, status int, render func(p templates.Page) templ.Component) Entry {
	return Entry{Name: name, Access: access, Status: status, Render: render}
}

func visitorEntries() []Entry {
	return []Entry{
		entry(templates.Visitor, "landing", func(p templates.Page) templ.Component {
			return templates.LandingPage(p, templates.Landing{Plans: plans, BaseDomain: baseName})
		}),
	}
}

func accountEntries() []Entry  { return nil }
func orderEntries() []Entry    { return nil }
func serverEntries() []Entry   { return nil }
func operatorEntries() []Entry { return nil }
func otherEntries() []Entry    { return nil }
