-- The first schema. Rows are the truth; NOTIFY is a hint. Times are the database's own clock wherever a row records a moment.
-- Job tables belong to River and are made by its own migrations.

-- +goose Up

-- Accounts: people who log in to Hafen. Not Matrix users: those are members.
create table accounts (
    id             uuid        primary key default gen_random_uuid(),
    email          text        not null check (length(email) between 3 and 254),
    email_key      text        not null unique, -- lower case; what "the same address" means
    password_hash  text        not null,        -- argon2id, PHC string
    must_change    boolean     not null default false, -- one-time password: nothing else is allowed before it is changed
    language       text        not null check (language in ('de', 'en')),
    role           text        not null default 'customer' check (role in ('customer', 'operator')),
    verified_at    timestamptz,
    created_at     timestamptz not null default now()
);

create table sessions (
    id           uuid        primary key default gen_random_uuid(), -- shown in the list of own sessions; not the secret
    token_hash   bytea       not null unique, -- SHA-256 of the cookie: a stolen table logs nobody in
    account_id   uuid        not null references accounts on delete cascade,
    created_at   timestamptz not null default now(),
    seen_at      timestamptz not null default now(),
    expires_at   timestamptz not null,
    user_agent   text        not null,
    address      text        not null
);
create index sessions_account on sessions (account_id);

-- Networks an account has logged in from: there its owner is not stopped by what strangers guess elsewhere. Swept after 90 days.
create table known_networks (
    account_id uuid        not null references accounts on delete cascade,
    network    text        not null,
    seen_at    timestamptz not null default now(),
    primary key (account_id, network)
);

-- Links in mails, and set-password links for Matrix accounts: single use, expiring, kept as hashes.
create table tokens (
    hash        bytea       primary key,
    purpose     text        not null check (purpose in ('verify_email', 'reset_password', 'member_password')),
    account_id  uuid        references accounts on delete cascade,
    password_hash text, -- verify_email: the password that was typed with this sign-up
    tenant_id   text,
    localpart   text,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    used_at     timestamptz
);
create index tokens_account on tokens (account_id);

-- Attempts counted for rate limits: key is purpose and subject, for example 'login:account:<hash>' or 'login:address:192.0.2.7'.
create table attempts (
    key text        not null,
    at  timestamptz not null default now()
);
create index attempts_key on attempts (key, at);

create table plans (
    id                   text    primary key check (id ~ '^[a-z][a-z0-9-]{0,30}$'),
    name                 text    not null,
    price_cents          bigint  not null check (price_cents >= 0),
    currency             text    not null check (currency ~ '^[A-Z]{3}$'),
    vat_rate             integer not null check (vat_rate between 0 and 100),
    seats                integer not null check (seats > 0),
    storage_bytes        bigint  not null check (storage_bytes > 0),
    upload_bytes         bigint  not null check (upload_bytes > 0),
    federation           boolean not null,
    memory_bytes         bigint  not null check (memory_bytes > 0),
    cpu_millis           integer not null check (cpu_millis > 0),
    pids                 integer not null check (pids > 0),
    database_connections integer not null check (database_connections > 0),
    position             integer not null,
    visible              boolean not null default true
);

insert into plans (id, name, price_cents, currency, vat_rate, seats, storage_bytes, upload_bytes, federation, memory_bytes, cpu_millis, pids, database_connections, position)
values
    ('basic',    'Basic',    400,  'EUR', 19, 5,  20000000000,  50000000,  false, 268435456, 1000, 256, 15, 1),
    ('advanced', 'Advanced', 600,  'EUR', 19, 20, 50000000000,  100000000, true,  402653184, 1000, 256, 15, 2),
    ('all-in',   'All-in',   1400, 'EUR', 19, 50, 250000000000, 200000000, true,  805306368, 2000, 512, 20, 3);

create table tenants (
    id              text        primary key,
    number          integer     generated always as identity unique,
    account_id      uuid        not null references accounts,
    plan_id         text        not null references plans,
    server_name     text        not null,
    host            text        not null,
    engine          text        not null,
    image           text        not null default '', -- chosen when provisioning starts
    status          text        not null check (status in ('awaiting_payment', 'awaiting_domain', 'provisioning', 'active',
                                                           'asleep', 'suspended', 'deleting', 'deleted')),
    before_deleting text,        -- status to return to when deletion is taken back
    suspended_for   text         check (suspended_for in ('payment', 'abuse', 'operator')),
    delete_after    timestamptz, -- end of the grace period
    first_admin     text        not null,
    language        text        not null check (language in ('de', 'en')),
    -- Reconciling: every change and every sweep raises wanted; reconciled is the last one made true.
    wanted          bigint      not null default 1,
    reconciled      bigint      not null default 0,
    requested_at    timestamptz not null default now(), -- when wanted was last raised
    checked_at      timestamptz not null default '-infinity', -- when last found as it should be
    failures        integer     not null default 0, -- consecutive; sets the backoff
    failure_code    text        not null default '', -- sentence for the customer, '' when all is well
    failure_detail  text        not null default '', -- for the operator
    retry_at        timestamptz,
    lease_owner     text        not null default '',
    lease_until     timestamptz not null default '-infinity',
    created_at      timestamptz not null default now(),
    active_at       timestamptz, -- first time it served
    deleted_at      timestamptz
);
-- A name belongs to one living tenant. Unproven own domains are not unique: whoever proves one first gets it (see domains).
create unique index tenants_host on tenants (host) where status not in ('awaiting_payment', 'awaiting_domain', 'deleted');
create unique index tenants_server_name on tenants (server_name) where status not in ('awaiting_payment', 'awaiting_domain', 'deleted');
create index tenants_account on tenants (account_id);
create index tenants_due on tenants (retry_at) where status <> 'deleted';

-- Names under the base domain are promised at the order, so they are unique from then on.
create table reserved_names (
    server_name text primary key,
    tenant_id   text not null references tenants
);

-- A server name is for ever: one that was once served is never given to anyone else, nor again.
create table tombstones (
    server_name text        primary key,
    tenant_id   text        not null,
    since       timestamptz not null default now()
);

-- Proof of an own domain.
create table domains (
    tenant_id    text        primary key references tenants,
    token        text        not null,
    verified_at  timestamptz, -- the TXT record was seen
    checked_at   timestamptz,
    check_after  timestamptz not null default now(),
    report       jsonb       not null default '{}'
);

create table conditions (
    tenant_id text        not null references tenants,
    kind      text        not null,
    ok        boolean     not null,
    code      text        not null default '',
    since     timestamptz not null default now(),
    primary key (tenant_id, kind)
);

-- What reconciling did, step by step. Kept: the customer's progress page and the operator's history are read from it.
create table steps (
    id          bigint      generated always as identity primary key,
    tenant_id   text        not null references tenants,
    wanted      bigint      not null,
    step        text        not null,
    started_at  timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    code        text        not null default '', -- of the failure
    detail      text        not null default ''
);
create index steps_tenant on steps (tenant_id, id desc);

-- Keys and passwords of tenants, sealed with a key that is not in this database.
create table secrets (
    tenant_id text  not null references tenants,
    name      text  not null,
    sealed    bytea not null,
    primary key (tenant_id, name)
);

-- Members: the accounts on a homeserver that take a seat.
create table members (
    tenant_id    text        not null references tenants,
    localpart    text        not null,
    display_name text        not null default '',
    admin        boolean     not null default false,
    state        text        not null check (state in ('reserved', 'active', 'deactivated')),
    created_at   timestamptz not null default now(),
    primary key (tenant_id, localpart)
);

-- Things to do to a member, done by the control plane. A password travels sealed to its public key and is erased when used.
create table member_operations (
    id              uuid        primary key default gen_random_uuid(),
    tenant_id       text        not null references tenants,
    localpart       text        not null, -- of a member, or of one whose creation was refused
    kind            text        not null check (kind in ('create', 'set_password', 'deactivate', 'reactivate')),
    sealed_password bytea,
    claimed_until   timestamptz not null default '-infinity',
    attempts        integer     not null default 0,
    created_at      timestamptz not null default now(),
    finished_at     timestamptz,
    code            text        not null default '' -- of the failure
);
create unique index member_operations_open on member_operations (tenant_id, localpart) where finished_at is null;

create table usage (
    tenant_id      text        not null references tenants,
    measured_at    timestamptz not null default now(),
    database_bytes bigint      not null,
    media_bytes    bigint      not null,
    primary key (tenant_id, measured_at)
);

create table orders (
    id           uuid        primary key default gen_random_uuid(),
    number       bigint      generated always as identity unique,
    account_id   uuid        not null references accounts,
    tenant_id    text        not null references tenants,
    plan_id      text        not null references plans,
    provider     text        not null,
    net_cents    bigint      not null check (net_cents >= 0),
    vat_cents    bigint      not null check (vat_cents >= 0),
    currency     text        not null,
    status       text        not null check (status in ('open', 'paid', 'cancelled')),
    created_at   timestamptz not null default now(),
    settled_at   timestamptz
);
create index orders_tenant on orders (tenant_id);
create unique index orders_open on orders (tenant_id) where status = 'open';

-- What the edge reads, beside tenants' storage use. revision moves with every change, so the edge asks one cheap question.
create table routes (
    tenant_id     text    primary key references tenants,
    server_name   text    not null,
    host          text    not null unique,
    backend       text    not null,
    mode          text    not null check (mode in ('open', 'suspended')),
    federation    boolean not null,
    upload_bytes  bigint  not null,
    storage_bytes bigint  not null,
    contact       text    not null
);

create table certificates (
    host       text        primary key,
    chain_pem  bytea       not null,
    sealed_key bytea       not null,
    not_after  timestamptz not null
);

-- One counter for each part of what the edge holds: it asks these three numbers and reloads only what moved.
create table edge_revisions (
    part     text   primary key check (part in ('routes', 'certificates', 'usage')),
    revision bigint not null default 1
);
insert into edge_revisions (part) values ('routes'), ('certificates'), ('usage');

-- +goose StatementBegin
create function touch_edge() returns trigger language plpgsql as $$
begin
    update edge_revisions set revision = revision + 1 where part = tg_table_name;
    notify hafen_edge;
    return null;
end $$;
-- +goose StatementEnd
create trigger routes_touch after insert or update or delete on routes for each statement execute function touch_edge();
create trigger certificates_touch after insert or update or delete on certificates for each statement execute function touch_edge();
create trigger usage_touch after insert on usage for each statement execute function touch_edge();

create table acme_accounts (
    directory    text  primary key,
    email        text  not null,
    sealed_key   bytea not null,
    registration jsonb not null
);

create table acme_challenges (
    host              text        not null,
    token             text        not null,
    key_authorization text        not null,
    created_at        timestamptz not null default now(),
    primary key (host, token)
);

create table audit (
    id         bigint      generated always as identity primary key,
    at         timestamptz not null default now(),
    actor_id   uuid,                    -- null: Hafen itself
    actor      text        not null,    -- address at the time, or 'hafen'
    action     text        not null,
    tenant_id  text,
    detail     jsonb       not null default '{}'
);
create index audit_tenant on audit (tenant_id, id desc);

-- Mails on their way out. In trial mode they stay here and are shown; otherwise the body is erased when the mail server took it.
create table mails (
    id         bigint      generated always as identity primary key,
    recipient  text        not null,
    subject    text        not null,
    text       text        not null,
    html       text        not null,
    message_id uuid        not null default gen_random_uuid(), -- the same at every attempt, so that a second copy can be told
    created_at timestamptz not null default now(),
    sent_at    timestamptz,
    failure    text        not null default '' -- given up, and why
);

-- Small facts about the installation: its id, which containers carry.
create table installation (
    one boolean primary key default true check (one),
    id   text    not null
);
insert into installation (id) values (replace(gen_random_uuid()::text, '-', ''));

-- Hints for the pages that show a tenant live.
-- +goose StatementBegin
create function touch_tenant() returns trigger language plpgsql as $$
begin
    perform pg_notify('hafen_tenant', coalesce(new.tenant_id, old.tenant_id));
    return null;
end $$;
create function touch_tenant_itself() returns trigger language plpgsql as $$
begin
    perform pg_notify('hafen_tenant', new.id);
    return null;
end $$;
-- +goose StatementEnd
create trigger steps_hint after insert or update on steps for each row execute function touch_tenant();
create trigger operations_hint after insert or update on member_operations for each row execute function touch_tenant();
create trigger domains_hint after insert or update on domains for each row execute function touch_tenant();
create trigger conditions_hint after insert or update on conditions for each row execute function touch_tenant();
create trigger tenants_hint after insert or update of status, failure_code on tenants for each row execute function touch_tenant_itself();

-- +goose Down
-- Forward only: an older program never needs an older schema, because every change is made in steps that both can live with.
select 1;
