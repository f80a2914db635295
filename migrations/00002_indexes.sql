-- Indexes for what is asked often and grows for ever: measured with five thousand tenants.

-- +goose Up

-- How the last operation of a member ended: on every members page, once for each.
create index member_operations_ended on member_operations (tenant_id, localpart, finished_at desc) where finished_at is not null;

-- A run left open by a killed process: looked for before every step, in a history that only grows.
create index steps_open on steps (tenant_id) where finished_at is null;

-- +goose Down
-- Forward only.
select 1;
