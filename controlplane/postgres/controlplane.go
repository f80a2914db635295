package postgres

import "hafen/controlplane"

// The store serves all of these.
var (
	_ controlplane.OrderStore        = (*Store)(nil)
	_ controlplane.ServerStore       = (*Store)(nil)
	_ controlplane.MemberStore       = (*Store)(nil)
	_ controlplane.OperatorStore     = (*Store)(nil)
	_ controlplane.ReconcileStore    = (*Store)(nil)
	_ controlplane.SweepStore        = (*Store)(nil)
	_ controlplane.DomainStore       = (*Store)(nil)
	_ controlplane.MeterStore        = (*Store)(nil)
	_ controlplane.OperationStore    = (*Store)(nil)
	_ controlplane.TenantMailStore   = (*Store)(nil)
	_ controlplane.SettingsStore     = (*Store)(nil)
	_ controlplane.ColleagueStore    = (*Store)(nil)
	_ controlplane.SubscriptionStore = (*Store)(nil)
	_ controlplane.BillerStore       = (*Store)(nil)
)
