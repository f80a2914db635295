package postgres

import (
	"context"
	"fmt"
)

// cleanups are independent of each other. Each period is longer than anything that still asks for the rows.
var cleanups = []struct{ what, sql string }{
	{"sessions", `delete from sessions where expires_at < now()`},
	{"half logins", `delete from half_logins where expires_at < now()`},
	{"challenges of passkeys", `delete from passkey_challenges where expires_at < now() - interval '1 hour'`}, // clocks may differ
	{"changes of address", `delete from email_changes where expires_at < now() - interval '7 days'`},
	{"ways back to an address", `delete from email_undos where expires_at < now() - interval '7 days'`},
	{"links", `delete from tokens where expires_at < now() - interval '7 days'`},
	{"attempts", `delete from attempts where at < now() - interval '1 day'`},
	{"networks", `delete from known_networks where seen_at < now() - interval '90 days'`},
	// Nobody ever proved the address: there may be no such person, and the address is not ours to keep.
	{"accounts", `
delete from accounts a where a.verified_at is null and a.created_at < now() - interval '30 days'
and not exists (select from tokens t where t.account_id = a.id and t.used_at is null and t.expires_at > now())
and not exists (select from tenants t where t.account_id = a.id) and not exists (select from orders o where o.account_id = a.id)`},
	// A CA asks within minutes; an order that takes longer makes new ones.
	{"challenges", `delete from acme_challenges where created_at < now() - interval '1 day'`},
	// Past the last attempt to send (see MailArgs) and the life of every link in it, nobody needs what a mail says.
	{"unsent mails", `
update mails set text = '', html = '', failure = 'not sent within a week'
where sent_at is null and failure = '' and created_at < now() - interval '7 days'`},
	// No page shows more than the last sixty of a tenant; a failing one adds hundreds a day.
	{"steps", `delete from steps where finished_at < now() - interval '90 days'`},
	// What an answer tells of people is for whoever asked, and they have read it by now.
	{"answers", `update operations set output = null where output is not null and finished_at < now() - interval '1 hour'`},
	{"questions", `delete from operations where (subject = '' or starts_with(subject, 'question ') or kind = 'sync_members') and import_id is null and finished_at < now() - interval '1 day'`},
	{"import previews", `delete from import_previews where created_at < now() - interval '1 hour'`},
	// What is left of a file when its members have long been here says nothing any more, but who is who.
	{"imported rows", `
delete from operations o using imports i where i.id = o.import_id and i.created_at < now() - interval '90 days' and o.finished_at is not null`},
	{"imports", `
delete from imports i where i.created_at < now() - interval '90 days' and not exists (select from operations o where o.import_id = i.id)`},
	// Whoever asked for what stays in the audit log, and so does what was refused. An announcement and an invite look at theirs for
	// as long as they are there; what came from a file goes with the file.
	{"operations", `
delete from operations o where o.finished_at < now() - interval '90 days' and o.import_id is null
and not exists (select from announcements a where a.operation_id = o.id) and not exists (select from invites i where i.operation_id = o.id)`},
	{"invites", `delete from invites where greatest(expires_at, used_at, withdrawn_at) < now() - interval '90 days'`},
	// How many it reached stands in the announcement itself.
	{"recipients", `delete from announcement_recipients r using announcements a where a.id = r.announcement_id and r.settled_at is not null
and a.created_at < now() - interval '90 days'`},
	{"mails", `delete from mails where created_at < now() - interval '90 days'`},
}

// CleanAccounts implements controlplane.AccountCleaner.
func (s *Store) CleanAccounts(ctx context.Context) error {
	for _, c := range cleanups {
		if _, err := s.pool.Exec(ctx, c.sql); err != nil {
			return fmt.Errorf("clean up %s: %w", c.what, translate(err))
		}
	}
	return nil
}
