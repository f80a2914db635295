-- The members of a server at size: found, sorted, kept in step with the homeserver's own list, invited and imported.

-- +goose Up

-- What a seat is, said once: an account that is there or being made, or an invite that is still open.
-- +goose StatementBegin
create function seats_used(tenant text) returns bigint language sql stable as $$
    select (select count(*) from members where tenant_id = tenant and state in ('reserved', 'active'))
        + (select count(*) from invites where tenant_id = tenant and used_at is null and withdrawn_at is null and expires_at > now())
$$;
-- +goose StatementEnd

-- A list of ten thousand shows what its last operation came to and is filtered by it; asking the history of each would be
-- ten thousand questions. A program that does not know the columns leaves them as they are: the list then says less.
alter table members
    add column failed_kind text        not null default '', -- of the last operation, when it failed
    add column failure     text        not null default '', -- its code
    add column erased      boolean     not null default false,
    add column missing_at  timestamptz;                     -- since when the homeserver's own list lacks it
create index members_seats on members (tenant_id) where state in ('reserved', 'active');

-- When the homeserver's own list is due to be held against ours: every tenant has a time of its own.
create table member_syncs (
    tenant_id text        primary key references tenants,
    due_at    timestamptz not null default now(),
    synced_at timestamptz -- the last that went well
);
create index member_syncs_due on member_syncs (due_at);

alter table invites
    add column operation_id uuid; -- that makes the account; its failure opens the invite again

-- The links of one member, of which all die when one is used.
create index tokens_member on tokens (tenant_id, localpart) where purpose = 'member_password' and used_at is null;

-- A file that was read and waits for a yes, for an hour. Passwords in it are sealed to the control plane.
create table import_previews (
    id         uuid        primary key default gen_random_uuid(),
    tenant_id  text        not null references tenants,
    account_id uuid        not null references accounts on delete cascade,
    file_name  text        not null,
    rows       jsonb       not null,
    created_at timestamptz not null default now()
);
create index import_previews_tenant on import_previews (tenant_id);

-- Of an import some rows are in the queue, and each that ends puts the next one there. These are those that wait.
create index operations_import_waiting on operations (import_id)
    where import_id is not null and finished_at is null and claimed_until = '-infinity';

-- +goose Down
-- Forward only.
select 1;
