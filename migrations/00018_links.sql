-- Whose hand a link was in: what somebody made ends with their right to make it.

-- +goose Up

-- Of set-password links that are older nobody knows it, and they are over within a week. Those that Hafen mails to the people in
-- a file have nobody, for nobody but the mailbox sees them.
alter table tokens add column made_by uuid references accounts on delete set null;
create index tokens_made on tokens (tenant_id, made_by) where made_by is not null and used_at is null;

alter table invites add column made_by uuid references accounts on delete set null; -- the link; invited_by is who had the idea
update invites i set made_by = a.id from accounts a where a.email = i.invited_by and i.used_at is null and i.withdrawn_at is null;
create index invites_made on invites (tenant_id, made_by) where made_by is not null and used_at is null and withdrawn_at is null;

-- +goose Down
-- Forward only.
select 1;
