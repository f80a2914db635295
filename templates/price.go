package templates

// Price is a sum of money per month or once, in the smallest unit of Currency.
// Gross is Net plus VAT; the screens never add or round themselves.
type Price struct {
	Net, VAT, Gross int64
	VATPercent      int    // 19
	Currency        string // ISO 4217, "EUR"
}

// Engines by the name a Plan carries.
const (
	EngineDendrite = "dendrite"
	EngineSynapse  = "synapse"
)

// Plan is one thing we sell.
type Plan struct {
	ID           string // "basic", "advanced", "allin": also the translation `plan.<ID>.for`
	Name         string // "Basic"
	Price        Price  // per month
	Seats        int
	StorageBytes int64 // 1 GB is 10^9
	Federation   bool
	Engines      []string // what may be chosen
	Engine       string   // EngineDendrite or EngineSynapse: the default of a plan, what runs of a server
}

func engineWords(l Locale, engine string) string {
	if engine == EngineSynapse {
		return l.T("plan.engine.synapse")
	}
	return l.T("plan.engine.dendrite")
}

func vatWords(l Locale, p Price) string {
	return l.T("plan.vat", "Percent", p.VATPercent, "Gross", l.Money(p.Gross, p.Currency))
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
		return plans[index].ID == chosen
	}
	return len(plans) > 2 && index == len(plans)/2
}
