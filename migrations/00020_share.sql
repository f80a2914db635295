-- One server's share of the workers that carry out operations: a server that hangs holds each of them up for as long as a claim
-- lasts. A program that does not know the columns shares nothing, and claims what is parked as anything else.

-- +goose Up
alter table operations
    add column working boolean not null default false, -- a worker is at it, as long as its claim lasts
    add column parked  boolean not null default false; -- it waits until a worker of its server is free, and is in no queue
create index operations_working on operations (tenant_id) where working and finished_at is null;
create index operations_parked on operations (tenant_id, created_at) where parked and finished_at is null;

-- +goose Down
-- Forward only.
select 1;
