package controlplane

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"hafen/tenant"
)

// QuotaKind is what a quota is of.
type QuotaKind string

// The kinds.
const (
	QuotaStorage QuotaKind = "storage"
	QuotaSeats   QuotaKind = "seats"
)

// QuotaWarning tells that a server has come near a limit, or reached it. There is one for each time a mark is crossed upwards.
type QuotaWarning struct {
	ID       string
	Tenant   tenant.ID
	Kind     QuotaKind
	Level    tenant.Level
	Used     int64 // bytes, or seats
	Limit    int64
	RaisedAt time.Time
	Mailed   bool
}

// QuotaWarningArgs is the job: tell the owner and the server's administrators of a warning.
type QuotaWarningArgs struct {
	Warning string `json:"warning"`
}

// Kind names the job.
func (QuotaWarningArgs) Kind() string { return "quota_warning" }

// InsertOpts gives up within hours: a server that is silent so long has other troubles than a notice that is not there.
func (QuotaWarningArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 12} }

// What warnings say.
type (
	// QuotaMail tells the owner of a server.
	QuotaMail struct {
		Warning QuotaWarning
		Server  Server
	}
	// QuotaNotice tells the administrators of a server, on it. Only its text is read.
	QuotaNotice struct {
		Warning QuotaWarning
		Server  Server
	}
)

func (QuotaMail) mailContent()   {}
func (QuotaNotice) mailContent() {}

// QuotaWarningStore keeps warnings.
type QuotaWarningStore interface {
	FindServer(ctx context.Context, account string, id tenant.ID) (Server, error)
	// FindQuotaWarning finds one; the Fault quota.unknown when there is none.
	FindQuotaWarning(ctx context.Context, id string) (QuotaWarning, error)
	// MailQuotaWarning puts the mail of a warning into the outbox, unless that was done before.
	MailQuotaWarning(ctx context.Context, id string, mail Mail) error
	// ListAdministrators lists those members of a server with an open account who administer it.
	ListAdministrators(ctx context.Context, id tenant.ID) ([]tenant.Localpart, error)
	CreateAnnouncement(ctx context.Context, actor Actor, a NewAnnouncement) error
}

// QuotaWarningWorker does QuotaWarningArgs. To be registered with River. However often it is begun anew, there is one mail and
// one notice: the warning's row says whether it was mailed, and the notice has the warning's id.
type QuotaWarningWorker struct {
	river.WorkerDefaults[QuotaWarningArgs]
	Store QuotaWarningStore
	Texts MailTexts
}

// Work tells.
func (w *QuotaWarningWorker) Work(ctx context.Context, job *river.Job[QuotaWarningArgs]) error {
	warning, err := w.Store.FindQuotaWarning(ctx, job.Args.Warning)
	if tenant.FaultOf(err).Kind == tenant.NotFound {
		return river.JobCancel(err) // the server is gone
	}
	if err != nil {
		return fmt.Errorf("find quota warning %s: %w", job.Args.Warning, err)
	}
	server, err := w.Store.FindServer(ctx, "", warning.Tenant)
	if err != nil {
		return fmt.Errorf("find the server of a quota warning: %w", err)
	}
	if !warning.Mailed {
		text, err := w.Texts.Render(QuotaMail{warning, server}, server.Language)
		if err != nil {
			return fmt.Errorf("write a quota warning: %w", err)
		}
		if err := w.Store.MailQuotaWarning(ctx, warning.ID, Mail{To: server.OwnerEmail, MailText: text}); err != nil {
			return err
		}
	}
	return w.notify(ctx, warning, server)
}

// notify writes to the administrators on the server itself, in the way of an announcement.
func (w *QuotaWarningWorker) notify(ctx context.Context, warning QuotaWarning, server Server) error {
	people, err := w.Store.ListAdministrators(ctx, warning.Tenant)
	if err != nil || len(people) == 0 {
		return err
	}
	text, err := w.Texts.Render(QuotaNotice{warning, server}, server.Language)
	if err != nil {
		return fmt.Errorf("write a quota notice: %w", err)
	}
	err = w.Store.CreateAnnouncement(ctx, Hafen, NewAnnouncement{ID: warning.ID, Tenant: warning.Tenant, Text: text.Text, To: people})
	switch fault := tenant.FaultOf(err); {
	case err == nil:
		return nil
	case fault.Code == "status.not_active", fault.Code == "announce.nobody":
		return nil // there is no server to say it on, or nobody left to hear it
	default:
		return fmt.Errorf("announce a quota warning: %w", err) // another announcement is being sent: later
	}
}
