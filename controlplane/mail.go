package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"hafen/tenant"
)

// Mail is a message to one person.
type Mail struct {
	To string
	MailText
}

// MailText is what a mail says.
type MailText struct{ Subject, Text, HTML string }

// MailTexts writes mails. Content is one of the types that end in Mail; language is "de" or "en".
type MailTexts interface {
	Render(content MailContent, language string) (MailText, error)
}

// MailContent is what one kind of mail tells. It holds no addresses of pages: those are the renderer's.
type MailContent interface{ mailContent() }

// MailLink is a single-use secret for the owner of a mailbox.
type MailLink struct {
	Email   string
	Token   string
	Expires time.Time
}

// Mails about accounts.
type (
	// VerifyMail asks to confirm an address.
	VerifyMail struct{ MailLink }
	// ResetMail carries the link to set a new password.
	ResetMail struct{ MailLink }
	// KnownAddressMail answers a sign-up with an address that has an account.
	KnownAddressMail struct{ Email string }
	// PasswordChangedMail warns that the password was changed, by whom it was from where.
	PasswordChangedMail struct {
		Email   string
		At      time.Time
		Address string // of the one who did it
	}
)

func (VerifyMail) mailContent()          {}
func (ResetMail) mailContent()           {}
func (KnownAddressMail) mailContent()    {}
func (PasswordChangedMail) mailContent() {}

func (a *Accounts) render(to, language string, content MailContent) (Mail, error) {
	text, err := a.Texts.Render(content, language)
	if err != nil {
		return Mail{}, fmt.Errorf("write %T: %w", content, err)
	}
	return Mail{To: to, MailText: text}, nil
}

// AccountMailArgs is the job of mails that are asked for by anybody who types an address. It is recorded whether the address
// has an account or not, so that neither answer nor time of the request tells.
type AccountMailArgs struct {
	Which    accountMail `json:"kind"`
	Email    string      `json:"email"`
	Language string      `json:"language"`
	Address  string      `json:"address"` // of the one who asked
}

type accountMail string

const (
	mailVerification accountMail = "verification"
	mailReset        accountMail = "reset"
)

// Kind names the job.
func (AccountMailArgs) Kind() string { return "account_mail" }

// InsertOpts gives up soon: whoever waits for the mail asks again.
func (AccountMailArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 5} }

// requestMail records the job.
func (a *Accounts) requestMail(ctx context.Context, args AccountMailArgs) error {
	email, err := ParseEmail(args.Email)
	if err != nil {
		return err
	}
	if err := a.take(ctx, "mail.too_many", mailRequestLimit(args.Address)); err != nil {
		return err
	}
	args.Email, args.Language = email, spoken(args.Language)
	if err := a.Store.QueueAccountMail(ctx, args); err != nil {
		return fmt.Errorf("ask for a %s mail: %w", args.Which, err)
	}
	return nil
}

// AccountMailWorker does AccountMailArgs. To be registered with River.
type AccountMailWorker struct {
	river.WorkerDefaults[AccountMailArgs]
	Accounts *Accounts
}

// Work writes the mail, if the address has an account that it suits.
func (w *AccountMailWorker) Work(ctx context.Context, job *river.Job[AccountMailArgs]) error {
	a, args := w.Accounts, job.Args
	account, err := a.Store.FindCredentials(ctx, args.Email)
	if errors.Is(err, ErrNoAccount) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the account of a %s mail: %w", args.Which, err)
	}
	if args.Which == mailVerification && account.Verified {
		return nil
	}
	if allowed, err := a.allow(ctx, mailLimits(args.Email, args.Address)...); err != nil || !allowed {
		return err
	}
	if args.Which == mailVerification {
		link, m, err := a.verification(account.Email, account.Language)
		if err != nil {
			return err
		}
		return a.Store.CreateVerification(ctx, account.ID, link, m)
	}
	link, m, err := a.reset(account.Account)
	if err != nil {
		return err
	}
	return a.Store.CreateReset(ctx, account.ID, link, m)
}

// MailArgs is the job of sending one mail of the outbox.
type MailArgs struct {
	ID int64 `json:"id"`
}

// Kind names the job.
func (MailArgs) Kind() string { return "mail" }

// InsertOpts: River's backoff is attempts^4 seconds, so twelve attempts try for about fifteen hours. A link in the mail
// lives no longer than a day.
func (MailArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 12} }

// Outbox keeps mails on their way.
type Outbox interface {
	// FindMail gives a mail; its fault mail.unknown says it was swept away.
	FindMail(ctx context.Context, id int64) (OutboxMail, error)
	// FinishMail notes that a mail was taken, or with a failure that it never will be, and erases what it said.
	FinishMail(ctx context.Context, id int64, failure string) error
	// ListMails lists mails, newest first.
	ListMails(ctx context.Context, most int) ([]OutboxMail, error)
}

// OutboxMail is a mail as it is kept. What it said is gone once it was sent.
type OutboxMail struct {
	ID int64
	Mail
	MessageID string // the same at every attempt, without angle brackets
	File      *MailFile
	CreatedAt time.Time
	SentAt    *time.Time
	Failure   string // why it was given up
}

// MailFile is a PDF that goes with a mail.
type MailFile struct {
	Name    string
	Content []byte
}

// MailSender hands a mail to a mail server. An error that is a [MailRefused] is for good.
type MailSender interface {
	Send(ctx context.Context, m OutboxMail) error
}

// MailRefused says that the mail server will never take this mail.
type MailRefused struct{ Err error }

func (r *MailRefused) Error() string { return "refused for good: " + r.Err.Error() }

func (r *MailRefused) Unwrap() error { return r.Err }

// MailWorker does MailArgs. To be registered with River.
//
// A crash between the mail server's answer and the row sends a mail twice, with the same Message-ID; it never loses one.
type MailWorker struct {
	river.WorkerDefaults[MailArgs]
	Outbox Outbox
	Sender MailSender // nil in trial mode: mails stay and are shown
}

// Timeout ends an attempt whose mail server is silent.
func (w *MailWorker) Timeout(*river.Job[MailArgs]) time.Duration { return 2 * time.Minute }

// Work sends the mail once.
func (w *MailWorker) Work(ctx context.Context, job *river.Job[MailArgs]) error {
	if w.Sender == nil {
		return nil
	}
	m, err := w.Outbox.FindMail(ctx, job.Args.ID)
	if tenant.FaultOf(err).Kind == tenant.NotFound {
		return river.JobCancel(err)
	}
	if err != nil {
		return fmt.Errorf("find mail %d: %w", job.Args.ID, err)
	}
	if m.SentAt != nil || m.Failure != "" {
		return nil
	}
	err = w.Sender.Send(ctx, m)
	if err == nil {
		return w.Outbox.FinishMail(ctx, m.ID, "")
	}
	err = fmt.Errorf("send mail %d: %w", m.ID, err)
	refused, forGood := errors.AsType[*MailRefused](err)
	last := job.JobRow != nil && job.Attempt >= job.MaxAttempts
	switch {
	case forGood:
		if finish := w.Outbox.FinishMail(ctx, m.ID, refused.Error()); finish != nil {
			return errors.Join(err, finish)
		}
		return river.JobCancel(err)
	case last:
		return errors.Join(err, w.Outbox.FinishMail(ctx, m.ID, err.Error()))
	}
	return err
}
