package templates

import "github.com/a-h/templ"

// confirmation is a question before an action: its button, what it asks, and the button that does it.
type confirmation struct {
	Label, Text, Submit string
	Action              templ.SafeURL
	Danger              bool
}

// paymentRefresh is how often a browser without scripts looks again: while there is something to wait for.
func paymentRefresh(vm OrderPayment) string {
	if vm.State == OrderOpen {
		return "30"
	}
	return ""
}
