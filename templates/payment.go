package templates

// paymentRefresh is how often a browser without scripts looks again: while there is something to wait for.
func paymentRefresh(vm OrderPayment) string {
	if vm.State == OrderOpen {
		return "30"
	}
	return ""
}
