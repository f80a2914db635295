package templates

import "time"

// OperatorPayments is /operator/payments: what last night's comparison with the payment provider has found.
type OperatorPayments struct {
	Provider             string // "Stripe"; "" when no comparison was made yet
	At                   time.Time
	Running              bool
	Failed               bool
	Subscriptions, Bills int
	Findings             []PaymentFinding
	Disputes             []Bill // not decided yet
}

// PaymentFinding is one difference.
type PaymentFinding struct {
	Kind        string // `payments.find.<kind>`
	ServerID    string // "" when it is nobody's
	ExternalID  string
	Here, There string
	Repaired    bool
}

// Open counts what a person must look at.
func (vm OperatorPayments) Open() int {
	n := 0
	for _, f := range vm.Findings {
		if !f.Repaired {
			n++
		}
	}
	return n
}
