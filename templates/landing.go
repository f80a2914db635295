package templates

// Landing is the front page: what we sell and how it works.
type Landing struct {
	Plans []Plan
	// BaseDomain is the provider's own domain under which names are ready at once.
	BaseDomain string
}
