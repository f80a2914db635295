package templates

import (
	"strings"

	"hafen/templates/i18n"
)

// Locale chooses words and number formats; see package i18n.
type Locale = *i18n.Locale

// Access says for whom the navigation is made.
type Access string

// The three audiences of the pages.
const (
	Visitor  Access = "visitor"
	Customer Access = "customer"
	Operator Access = "operator"
)

// Assets are the content-hashed addresses of the files the layout loads.
type Assets struct {
	CSS  string // app.css
	JS   string // app.js: theme, copy buttons, dialogs
	HTMX string // htmx.js
	SSE  string // htmx-ext-sse.js
	Icon string // icon.svg
}

// Page is what surrounds the content of every page.
type Page struct {
	Locale Locale
	Assets Assets
	// Path is the address of this page with its query; the language switch comes back to it.
	Path    string
	Access  Access
	Account string // e-mail address of the signed-in account; "" for visitors
	Trial   bool   // trial mode: shows the banner with kept mails and the CA certificate
	Flash   *Flash // one message about what was just done, nil for none
}

// Tone is the meaning of a message, badge or note.
type Tone string

// Tones, from calm to alarming.
const (
	ToneNeutral Tone = "neutral"
	ToneInfo    Tone = "info"
	ToneGood    Tone = "good"
	ToneWarn    Tone = "warn"
	ToneBad     Tone = "bad"
)

// Flash is a message shown once after a redirect: the sentence `flash.<Code>`,
// or `error.<Code>` where Tone is ToneBad.
type Flash struct {
	Tone Tone
	Code string
	Args map[string]string
}

// Problem is what is wrong with one field: the sentence `error.<Code>`, whose blanks Params fill.
type Problem struct {
	Code   string
	Params map[string]string
}

// Form is what a form is filled with: what was typed (never passwords) and what
// is wrong, by field name. The empty field name is the form as a whole.
type Form struct {
	Values map[string]string
	Errors map[string]Problem
	// PlanURL is where a server gets more of what a form was refused for; "" on pages of no server.
	PlanURL string
}

// refusedForSeats reports whether more seats would mend what is wrong.
func (f Form) refusedForSeats() bool {
	for _, p := range f.Errors {
		if strings.HasPrefix(p.Code, "seats.") {
			return f.PlanURL != ""
		}
	}
	return false
}

// Value is what was typed into field, or "".
func (f Form) Value(field string) string { return f.Values[field] }

// Wrong reports whether something is wrong with field.
func (f Form) Wrong(field string) bool { return f.Errors[field].Code != "" }

// Pager leads through a long list. Prev and Next are addresses, "" at the ends.
// Pages is 0 where their number is not known.
type Pager struct {
	Page, Pages int
	Total       int
	Prev, Next  string
}
