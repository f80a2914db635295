package templates

import (
	"slices"
	"strings"
)

// Price is a sum of money per month or once, in the smallest unit of Currency.
// Gross is Net plus VAT; the screens never add or round themselves.
type Price struct {
	Net, VAT, Gross int64
	VATPercent      int    // 19; -1 when several rates are in it
	Currency        string // ISO 4217, "EUR"
	Period          string // PeriodMonth (also when empty) or PeriodYear
	ShowGross       bool   // Gross is what the price list shows large
}

// How long a price is good for.
const (
	PeriodMonth = "month"
	PeriodYear  = "year"
)

// Engines by the name a Plan carries.
const (
	EngineDendrite = "dendrite"
	EngineSynapse  = "synapse"
)

// Plan is one thing we sell.
type Plan struct {
	ID           string // of the version that is sold: "basic.2"
	Slug         string // "basic", in old links
	Name         string // "Basic"
	Description  string // whom it is for, "" for nothing said
	Price        Price
	Seats        int
	StorageBytes int64  // 1 GB is 10^9
	Federation   string // FederationOff (also when empty), FederationList or FederationOpen
	TrialDays    int
	Own          bool     // a price of the reader's own
	Engines      []string // what may be chosen
	Engine       string   // EngineDendrite or EngineSynapse: the default of a plan, what runs of a server
}

// How far a plan lets a server talk to others.
const (
	FederationOff  = "off"
	FederationList = "list" // with servers that are named
	FederationOpen = "open"
)

func engineWords(l Locale, engine string) string {
	if engine == EngineSynapse {
		return l.T("plan.engine.synapse")
	}
	return l.T("plan.engine.dendrite")
}

// enginesWords says what a plan's servers run, and what may be chosen instead.
func enginesWords(l Locale, plan Plan) string {
	if len(plan.Engines) < 2 {
		return engineWords(l, plan.Engine)
	}
	others := slices.DeleteFunc(slices.Clone(plan.Engines), func(e string) bool { return e == plan.Engine })
	for i, e := range others {
		others[i] = l.Coded("order.engine", e, nil)
	}
	return engineWords(l, plan.Engine) + " " + l.T("plan.engine.others", "Names", strings.Join(others, ", "))
}

// shownPrice is the price in large letters.
func shownPrice(l Locale, p Price) string {
	if p.ShowGross {
		return l.Money(p.Gross, p.Currency)
	}
	return l.Money(p.Net, p.Currency)
}

func perPeriod(l Locale, p Price) string {
	if p.Period == PeriodYear {
		return l.T("plan.year")
	}
	return l.T("plan.month")
}

func vatWords(l Locale, p Price) string {
	if p.ShowGross {
		return l.T("plan.vat.included", "Percent", p.VATPercent, "Net", l.Money(p.Net, p.Currency))
	}
	return l.T("plan.vat", "Percent", p.VATPercent, "Gross", l.Money(p.Gross, p.Currency))
}

func netWords(l Locale, p Price) string {
	if p.Period == PeriodYear {
		return l.T("price.net.year")
	}
	return l.T("price.net")
}

func grossWords(l Locale, p Price) string {
	if p.Period == PeriodYear {
		return l.T("price.gross.year")
	}
	return l.T("price.gross")
}

func termWords(l Locale, p Price) string {
	if p.Period == PeriodYear {
		return l.T("order.fact.term.year")
	}
	return l.T("order.fact.term.text")
}

// startURL is where a plan card leads, up to the plan's id.
func startURL(access Access) string {
	if access == Visitor {
		return "/signup?plan="
	}
	return "/order/name?plan="
}

// marked says which card stands out: the chosen one, else the middle one.
func marked(plans []Plan, index int, chosen string) bool {
	if chosen != "" {
		return plans[index].ID == chosen || plans[index].Slug == chosen && !plans[index].Own
	}
	return len(plans) > 2 && index == len(plans)/2
}
