package controlplane

import (
	"context"
	"fmt"

	"github.com/riverqueue/river"

	"hafen/tenant"
)

// TenantMailArgs is the job: tell the owner of a server what happened to it.
type TenantMailArgs struct {
	Tenant tenant.ID  `json:"tenant"`
	Which  TenantMail `json:"which"`
}

// TenantMail is an occasion to write to a server's owner.
type TenantMail string

// The occasions.
const (
	MailServerReady     TenantMail = "server_ready"
	MailServerDeleting  TenantMail = "server_deleting"
	MailServerDeleted   TenantMail = "server_deleted"
	MailServerSuspended TenantMail = "server_suspended"
	MailServerResumed   TenantMail = "server_resumed"
	MailOrderReceived   TenantMail = "order_received"
	MailPaymentReceived TenantMail = "payment_received"
	// A smaller plan was booked, and what is used does not fit it: the old one goes on.
	MailPlanKept TenantMail = "plan_kept"
	// A change of settings made the server fail; the old ones are back.
	MailSettingsRolledBack TenantMail = "settings_rolled_back"
)

// Kind names the job.
func (TenantMailArgs) Kind() string { return "tenant_mail" }

// Mails about servers.
type (
	// ServerMail is the content of every mail about a server; Which says what it tells.
	ServerMail struct {
		Which  TenantMail
		Server Server
		Order  OrderView
	}
)

func (ServerMail) mailContent() {}

// TenantMailStore reads what the mail tells and puts it into the outbox.
type TenantMailStore interface {
	FindServer(ctx context.Context, account string, id tenant.ID) (Server, error)
	FindOrder(ctx context.Context, id tenant.ID) (OrderView, error)
	// AddMailOnce puts a mail into the outbox, unless one with this name was put there before. invoice is attached when not "".
	AddMailOnce(ctx context.Context, name, invoice string, m Mail) error
}

// TenantMailWorker does TenantMailArgs. To be registered with River. However often a job is begun anew, there is one mail.
type TenantMailWorker struct {
	river.WorkerDefaults[TenantMailArgs]
	Store TenantMailStore
	Texts MailTexts
}

// Work writes the mail.
func (w *TenantMailWorker) Work(ctx context.Context, job *river.Job[TenantMailArgs]) error {
	server, err := w.Store.FindServer(ctx, "", job.Args.Tenant)
	if err != nil {
		return fmt.Errorf("find the server of a mail: %w", err)
	}
	order, err := w.Store.FindOrder(ctx, job.Args.Tenant)
	if err != nil {
		return fmt.Errorf("find the order of a mail: %w", err)
	}
	if job.Args.Which == MailOrderReceived && order.Status != "open" {
		return nil // paid or given up meanwhile: the mail about that says all
	}
	text, err := w.Texts.Render(ServerMail{Which: job.Args.Which, Server: server, Order: order}, server.Language)
	if err != nil {
		return fmt.Errorf("write mail %s: %w", job.Args.Which, err)
	}
	name := fmt.Sprintf("server %s %s %d", job.Args.Tenant, job.Args.Which, job.ID)
	return w.Store.AddMailOnce(ctx, name, "", Mail{To: server.OwnerEmail, MailText: text})
}
