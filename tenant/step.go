package tenant

// Step is one thing to do to a tenant's outside objects. The set is closed. Every step is idempotent, and may be killed
// between acting and being recorded: the next observation tells what it reached.
type Step string

// The steps, in the order of a life.
const (
	CreateSecrets       Step = "create_secrets"
	CreateDatabase      Step = "create_database" // role and database
	WriteFiles          Step = "write_files"     // directories, configuration, keys
	IssueCertificate    Step = "issue_certificate"
	RemoveContainer     Step = "remove_container"
	CreateContainer     Step = "create_container"
	UpdateLimits        Step = "update_limits"
	StartContainer      Step = "start_container"
	AwaitHealthy        Step = "await_healthy"
	CreateAdministrator Step = "create_administrator"
	PublishRoute        Step = "publish_route"
	WithdrawRoute       Step = "withdraw_route"
	StopContainer       Step = "stop_container"
	DropDatabase        Step = "drop_database" // database and role
	RemoveFiles         Step = "remove_files"
	RemoveCertificate   Step = "remove_certificate"
	RemoveSecrets       Step = "remove_secrets"
)

// Steps lists them all.
var Steps = []Step{
	CreateSecrets, CreateDatabase, WriteFiles, IssueCertificate, RemoveContainer, CreateContainer, UpdateLimits, StartContainer,
	AwaitHealthy, CreateAdministrator, PublishRoute, WithdrawRoute, StopContainer, DropDatabase, RemoveFiles, RemoveCertificate, RemoveSecrets,
}
