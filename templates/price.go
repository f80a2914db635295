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
	Engine       string // EngineDendrite or EngineSynapse
}
