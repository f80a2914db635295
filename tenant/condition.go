package tenant

import "time"

// ConditionKind names one thing that is true or not of a tenant.
type ConditionKind string

// The conditions.
const (
	DomainVerified   ConditionKind = "domain_verified"
	SecretsReady     ConditionKind = "secrets_ready"
	DatabaseReady    ConditionKind = "database_ready"
	ContainerUp      ConditionKind = "container_running"
	HealthyCondition ConditionKind = "healthy"
	CertificateReady ConditionKind = "certificate_ready"
	RouteReady       ConditionKind = "route_ready"
	WithinQuota      ConditionKind = "within_quota"
)

// Condition is one such truth, since when, and, where it is not so, the code of the sentence that says why.
type Condition struct {
	Kind  ConditionKind
	OK    bool
	Code  string // key "condition.<kind>.<code>"; "" when OK
	Since time.Time
}

// Conditions reads from an observation what is true for a spec. DomainVerified is not among them: the domain check
// knows it; nor is WithinQuota: the meter does.
func Conditions(spec Spec, backend string, o Observed, now time.Time) []Condition {
	serving := spec.Goal == GoalRun
	return []Condition{
		condition(SecretsReady, o.Secrets, "missing"),
		condition(DatabaseReady, o.Role && o.Database, "missing"),
		condition(ContainerUp, o.Container == ContainerRunning, stopped(serving, "down")),
		condition(HealthyCondition, o.Healthy, stopped(serving, "silent")),
		certificate(o.Certificate, now),
		condition(RouteReady, o.Route == spec.Route(backend) && o.Route.Mode == RouteOpen, stopped(serving, "missing")),
	}
}

func condition(kind ConditionKind, ok bool, code string) Condition {
	if ok {
		code = ""
	}
	return Condition{Kind: kind, OK: ok, Code: code}
}

func stopped(serving bool, code string) string {
	if serving {
		return code
	}
	return "stopped"
}

func certificate(notAfter, now time.Time) Condition {
	switch {
	case notAfter.IsZero():
		return condition(CertificateReady, false, "missing")
	case !notAfter.After(now):
		return condition(CertificateReady, false, "expired")
	default:
		return condition(CertificateReady, true, "")
	}
}
