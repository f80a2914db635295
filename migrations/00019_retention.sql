-- Operations that have ended go after three months: found by when they ended, and by who still refers to them.

-- +goose Up
create index operations_finished on operations (finished_at) where finished_at is not null;
create index announcements_operation on announcements (operation_id);
create index invites_operation on invites (operation_id) where operation_id is not null;

-- +goose Down
-- Forward only.
select 1;
