-- What a customer sets on a server, who beside the owner may do so, and everything that is done on a homeserver as
-- operations of one kind. Written so that the program before this one still works on the result: it reads routes.federation,
-- and member_operations through a view.

-- +goose Up

-- The settings are one document, because they are read and written whole; tenant.Settings says what is in it. '{}' are the
-- defaults of the plan.
alter table tenants
    add column settings        jsonb not null default '{}',
    add column proven_settings jsonb,                       -- those it was last healthy with; what a failed change returns to
    add column logo            bytea check (length(logo) <= 262144),
    add column logo_type       text  not null default '' check (logo_type in ('', 'image/png', 'image/jpeg', 'image/webp'));

-- Changes of settings, for the page that says how one went.
create table settings_changes (
    id          bigint      generated always as identity primary key,
    tenant_id   text        not null references tenants,
    actor       text        not null,
    before      jsonb       not null,
    after       jsonb       not null,
    restart     boolean     not null,
    wanted      bigint      not null, -- the reconcile that makes it true
    created_at  timestamptz not null default now(),
    finished_at timestamptz,
    away_ms     bigint,                -- how long the server did not answer
    outcome     text        not null default '' check (outcome in ('', 'applied', 'rolled_back', 'superseded'))
);
create index settings_changes_tenant on settings_changes (tenant_id, id desc);

alter table routes
    alter column federation set default false,
    add column federation_mode   text not null default 'open' check (federation_mode in ('off', 'list', 'open')),
    add column partners          text not null default '',
    add column support_email     text not null default '',
    add column support_matrix_id text not null default '',
    add column support_page      text not null default '';
update routes set federation_mode = case when federation then 'open' else 'off' end;

-- People beside the owner who may manage a server.
create table colleagues (
    tenant_id  text        not null references tenants,
    account_id uuid        not null references accounts on delete cascade,
    role       text        not null check (role in ('administrator', 'member_manager', 'billing', 'read_only')),
    created_at timestamptz not null default now(),
    primary key (tenant_id, account_id)
);
create index colleagues_account on colleagues (account_id);

create table colleague_invites (
    hash       bytea       primary key,
    tenant_id  text        not null references tenants,
    email      text        not null,
    email_key  text        not null,
    role       text        not null check (role in ('administrator', 'member_manager', 'billing', 'read_only')),
    invited_by text        not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz,
    withdrawn_at timestamptz
);
create index colleague_invites_tenant on colleague_invites (tenant_id);

-- Invites of members. One that is open holds a seat.
create table invites (
    id           uuid        primary key default gen_random_uuid(),
    hash         bytea       not null unique,
    tenant_id    text        not null references tenants,
    email        text        not null default '',
    display_name text        not null default '',
    localpart    text        not null default '', -- proposed; the invited person may choose another
    invited_by   text        not null,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    used_at      timestamptz,
    used_by      text        not null default '', -- the localpart that was chosen
    withdrawn_at timestamptz
);
create index invites_open on invites (tenant_id, expires_at) where used_at is null and withdrawn_at is null;

-- Imports of members from a file. Their rows are operations.
create table imports (
    id         uuid        primary key default gen_random_uuid(),
    tenant_id  text        not null references tenants,
    actor      text        not null,
    file_name  text        not null,
    rows       integer     not null check (rows > 0),
    created_at timestamptz not null default now()
);
create index imports_tenant on imports (tenant_id, created_at desc);

-- Everything that is done on a homeserver, or asked of one: recorded by the website, carried out by the control plane.
alter table member_operations rename to operations;
alter table operations
    alter column localpart set default '',
    drop constraint member_operations_kind_check,
    add column subject   text   not null default '', -- what no two open operations may touch: "member anna", "room !x:y"; '' when any number may
    add column actor     text   not null default '',
    add column input     jsonb  not null default '{}',
    add column output    jsonb,                       -- the answer; erased after an hour, since it may tell of people
    add column done      bigint not null default 0,   -- progress of a long one
    add column total     bigint not null default 0,
    add column import_id uuid   references imports;
update operations set subject = 'member ' || localpart;
drop index member_operations_open;
create unique index operations_open on operations (tenant_id, subject) where finished_at is null and subject <> '';
create index operations_import on operations (import_id) where import_id is not null;
create index operations_member on operations (tenant_id, localpart, finished_at desc) where localpart <> '';
create view member_operations as
    select id, tenant_id, localpart, kind, sealed_password, claimed_until, attempts, created_at, finished_at, code from operations;

-- A list of ten thousand members is sorted, searched and paged by the database.
alter table members
    add column last_seen_at  timestamptz,
    add column media_bytes   bigint      not null default 0,
    add column server_admin  boolean     not null default false, -- may use the homeserver's own administration
    add column locked        boolean     not null default false,
    add column synced_at     timestamptz; -- when the homeserver's own list last had it
create index members_localpart on members (tenant_id, localpart text_pattern_ops);

-- +goose Down
select 1;
