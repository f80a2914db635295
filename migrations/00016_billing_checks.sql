-- What the nightly comparison of our rows with a payment provider has found.

-- +goose Up

create table billing_checks (
    provider      text        not null,
    night         date        not null, -- one a night, whichever process takes it
    started_at    timestamptz not null,
    finished_at   timestamptz,
    subscriptions integer     not null default 0, -- looked at
    bills         integer     not null default 0,
    error         text        not null default '', -- why it did not finish
    primary key (provider, night)
);

-- No foreign keys: what a provider names may be nothing of ours.
create table billing_findings (
    id          bigint  primary key generated always as identity,
    provider    text    not null,
    night       date    not null,
    kind        text    not null check (kind in ('unknown', 'double', 'gone', 'missing', 'differs', 'bill')),
    tenant_id   text    not null default '',
    external_id text    not null default '',
    detail      jsonb   not null default '{}', -- what was here and what was there
    repaired    boolean not null,
    foreign key (provider, night) references billing_checks
);
create index billing_findings_night on billing_findings (provider, night);

-- +goose Down
select 1;
