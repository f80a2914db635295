package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

var _ controlplane.Outbox = (*Store)(nil)

const (
	insertMail     = `insert into mails (recipient, subject, text, html) values ($1, $2, $3, $4) returning id`
	insertMailOnce = `
insert into mails (recipient, subject, text, html, once, invoice_id) values ($1, $2, $3, $4, $5, nullif($6, '')::uuid)
on conflict (once) do nothing returning id`
)

// queueMail puts a mail into the outbox with the job that sends it: both exist if and only if tx commits.
func (s *Store) queueMail(ctx context.Context, tx pgx.Tx, m controlplane.Mail) error {
	var id int64
	if err := tx.QueryRow(ctx, insertMail, m.To, m.Subject, m.Text, m.HTML).Scan(&id); err != nil {
		return fmt.Errorf("queue a mail: %w", err)
	}
	return s.enqueue(ctx, tx, controlplane.MailArgs{ID: id}, nil)
}

// QueueMail implements controlplane.AccountStore.
func (s *Store) QueueMail(ctx context.Context, actor controlplane.Actor, action string, m controlplane.Mail) error {
	return s.inTx(ctx, "queue a mail", func(tx pgx.Tx) error {
		if err := s.queueMail(ctx, tx, m); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, action, "", nil)
	})
}

// QueueAccountMail implements controlplane.AccountStore.
func (s *Store) QueueAccountMail(ctx context.Context, args controlplane.AccountMailArgs) error {
	return s.inTx(ctx, "queue a mail about an account", func(tx pgx.Tx) error {
		return s.enqueue(ctx, tx, args, nil)
	})
}

const (
	mailColumns = `id, recipient, subject, text, html, message_id::text, created_at, sent_at, failure`
	findMail    = `select ` + mailColumns + ` from mails where id = $1`
	findFile    = `
select i.number, i.kind, i.language, i.pdf from mails m join invoices i on i.id = m.invoice_id where m.id = $1 and i.pdf is not null`
	listMails = `select ` + mailColumns + ` from mails order by id desc limit $1`
)

func scanMail(row pgx.CollectableRow) (controlplane.OutboxMail, error) {
	var m controlplane.OutboxMail
	return m, row.Scan(&m.ID, &m.To, &m.Subject, &m.Text, &m.HTML, &m.MessageID, &m.CreatedAt, &m.SentAt, &m.Failure)
}

// FindMail implements controlplane.Outbox.
func (s *Store) FindMail(ctx context.Context, id int64) (controlplane.OutboxMail, error) {
	rows, err := s.pool.Query(ctx, findMail, id)
	if err != nil {
		return controlplane.OutboxMail{}, fmt.Errorf("find mail %d: %w", id, translate(err))
	}
	m, err := pgx.CollectExactlyOneRow(rows, scanMail)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, &tenant.Fault{Kind: tenant.NotFound, Code: "mail.unknown"}
	}
	if err != nil {
		return m, fmt.Errorf("find mail %d: %w", id, translate(err))
	}
	m.File, err = s.findMailFile(ctx, id)
	return m, err
}

// findMailFile gives the invoice that goes with a mail, nil when none does.
func (s *Store) findMailFile(ctx context.Context, id int64) (*controlplane.MailFile, error) {
	var (
		d    billing.Document
		file controlplane.MailFile
	)
	err := s.pool.QueryRow(ctx, findFile, id).Scan(&d.Number, &d.Kind, &d.Language, &file.Content)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the file of mail %d: %w", id, translate(err))
	}
	file.Name = d.FileName()
	return &file, nil
}

// ListMails implements controlplane.Outbox.
func (s *Store) ListMails(ctx context.Context, most int) ([]controlplane.OutboxMail, error) {
	rows, err := s.pool.Query(ctx, listMails, most)
	if err != nil {
		return nil, fmt.Errorf("list mails: %w", translate(err))
	}
	mails, err := pgx.CollectRows(rows, scanMail)
	if err != nil {
		return nil, fmt.Errorf("list mails: %w", translate(err))
	}
	return mails, nil
}

// What a mail said holds links that log people in: it goes as soon as nobody needs it here any more.
const finishMail = `
update mails set text = '', html = '', failure = $2, sent_at = case when $2 = '' then now() end
where id = $1 and sent_at is null and failure = ''`

// FinishMail implements controlplane.Outbox.
func (s *Store) FinishMail(ctx context.Context, id int64, failure string) error {
	if _, err := s.pool.Exec(ctx, finishMail, id, failure); err != nil {
		return fmt.Errorf("finish mail %d: %w", id, translate(err))
	}
	return nil
}

// AddMailOnce puts a mail into the outbox, unless one with this name was put there before.
func (s *Store) AddMailOnce(ctx context.Context, name, invoice string, m controlplane.Mail) error {
	return s.inTx(ctx, "queue a mail", func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, insertMailOnce, m.To, m.Subject, m.Text, m.HTML, name, invoice).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.enqueue(ctx, tx, controlplane.MailArgs{ID: id}, nil)
	})
}
