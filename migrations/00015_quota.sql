-- What is stored, in more detail, by the day; and who was warned of what.

-- +goose Up

-- Copies of other servers' files. They lie on the disk and count against no plan.
alter table usage add column remote_bytes bigint not null default 0 check (remote_bytes >= 0);

-- The ledger is only ever added to. Old rows are thinned, none is changed: what was billed or refused by stays as it was.
-- +goose StatementBegin
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
-- +goose StatementEnd
create trigger usage_append_only before update on usage for each statement execute function refuse_change();

-- The last measurement of each day (UTC): what charts and forecasts are made of, kept when the ledger is thinned.
create table usage_days (
    tenant_id      text        not null references tenants,
    day            date        not null,
    measured_at    timestamptz not null,
    database_bytes bigint      not null,
    media_bytes    bigint      not null,
    remote_bytes   bigint      not null,
    seats          integer     not null,
    primary key (tenant_id, day)
);
insert into usage_days
select distinct on (tenant_id, (measured_at at time zone 'UTC')::date)
    tenant_id, (measured_at at time zone 'UTC')::date, measured_at, database_bytes, media_bytes, 0, 0
from usage order by tenant_id, (measured_at at time zone 'UTC')::date, measured_at desc;

-- Files on the disk that the homeserver has forgotten: a part of media_bytes, looked for once in a while.
create table orphans (
    tenant_id   text        primary key references tenants,
    bytes       bigint      not null,
    searched_at timestamptz not null
);

-- The highest warning that stands. It falls with some slack (tenant.NextLevel), so that what swings around a mark warns once.
create table quota_levels (
    tenant_id  text        not null references tenants,
    kind       text        not null check (kind in ('storage', 'seats')),
    level      integer     not null check (level in (0, 80, 90, 100)),
    changed_at timestamptz not null default now(),
    primary key (tenant_id, kind)
);

-- Each is told to the owner by mail and to the server's administrators by notice, once. The notice's id is the warning's.
create table quota_warnings (
    id        uuid        primary key default gen_random_uuid(),
    tenant_id text        not null references tenants,
    kind      text        not null check (kind in ('storage', 'seats')),
    level     integer     not null check (level in (80, 90, 100)),
    used      bigint      not null,
    quota     bigint      not null,
    raised_at timestamptz not null default now(),
    mailed_at timestamptz
);
create index quota_warnings_tenant on quota_warnings (tenant_id, raised_at desc);

-- +goose Down
select 1;
