package templates

import "github.com/a-h/templ"

// htmxConfig keeps htmx within our CSP: no eval, no style element of its own.
// Nothing goes to localStorage, because pages may show a password once. What
// fails lands in the toast, except 422: a form with its mistakes takes its place.
const htmxConfig = `{"allowEval":false,"includeIndicatorStyles":false,"allowScriptTags":false,"selfRequestsOnly":true,` +
	`"historyCacheSize":0,"responseHandling":[{"code":"204","swap":false},{"code":"[23]..","swap":true},` +
	`{"code":"422","swap":true},{"code":"[45]..","swap":true,"error":true,"target":"#toast","swapOverride":"innerHTML"}]}`

type entry struct{ URL, Label, Section string }

func navigation(l Locale, access Access) []entry {
	switch access {
	case Customer:
		return []entry{
			{"/servers", l.T("nav.servers"), "servers"},
			{"/order", l.T("nav.order"), "order"},
		}
	case Operator:
		return []entry{
			{"/operator", l.T("nav.operator.servers"), "operator"},
			{"/operator/orders", l.T("nav.operator.orders"), "orders"},
			{"/operator/plans", l.T("sale.title"), "sale"},
			{"/operator/invoices", l.T("nav.operator.invoices"), "invoices"},
			{"/operator/accounts", l.T("nav.operator.accounts"), "accounts"},
			{"/operator/audit", l.T("nav.operator.audit"), "audit"},
		}
	default:
		return []entry{
			{"/#plans", l.T("nav.plans"), "plans"},
			{"/#how", l.T("nav.how"), "how"},
			{"/#questions", l.T("nav.questions"), "questions"},
		}
	}
}

func homeURL(access Access) templ.SafeURL {
	switch access {
	case Customer:
		return "/servers"
	case Operator:
		return "/operator"
	default:
		return "/"
	}
}

func accountURL(access Access) templ.SafeURL {
	if access == Operator {
		return "/operator/account"
	}
	return "/account"
}

func languageName(code string) string {
	if code == "de" {
		return "Deutsch"
	}
	return "English"
}

func flashWords(l Locale, f Flash) string {
	if f.Tone == ToneBad {
		return l.Error(f.Code, f.Args)
	}
	return l.Coded("flash", f.Code, f.Args)
}

// link is an address within our pages, from parts that are ids or fixed words.
func link(parts ...string) templ.SafeURL {
	url := ""
	for _, part := range parts {
		url += part
	}
	return templ.URL(url)
}

// guest reports whether a page is for people of a customer's server: an account with Hafen is nothing they want.
func (f frame) guest() bool { return f.Section == "invite" || f.Section == "setpassword" }
