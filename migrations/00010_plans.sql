-- Plans are sold in versions: a row is never changed once somebody has bought it, a change is a new row of the same slug.
-- Customers keep the row they bought until they are moved. The first version of a slug has the slug for its id.

-- +goose Up

alter table plans
    add column slug            text        not null default '' check (slug = '' or slug ~ '^[a-z][a-z0-9-]{0,30}$'),
    add column version         integer     not null default 1 check (version > 0),
    add column name_de         text        not null default '', -- '' where it is the same as name
    add column description_de  text        not null default '',
    add column description_en  text        not null default '',
    add column period          text        not null default 'month' check (period in ('month', 'year')),
    add column show_gross      boolean     not null default false, -- the price list shows prices with tax
    add column federation_mode text        not null default 'off' check (federation_mode in ('off', 'list', 'open')), -- the most it allows
    add column backups         integer     not null default 0 check (backups >= 0), -- kept
    add column trial_days      integer     not null default 0 check (trial_days between 0 and 365),
    add column valid_from      timestamptz not null default now(),
    add column valid_until     timestamptz,
    add column account_id      uuid        references accounts, -- a price of this customer's own; null for everybody
    add column created_at      timestamptz not null default now(),
    add column created_by      text        not null default 'hafen',
    drop constraint plans_id_check,
    add constraint plans_id_check check (id ~ '^[a-z][a-z0-9-]{0,30}(\.[0-9]{1,6})?$'),
    add constraint plans_price_bound check (price_cents <= 100000000), -- a million: more is a slip of the finger
    add constraint plans_validity check (valid_until is null or valid_until > valid_from);
update plans set slug = id, federation_mode = case when federation then 'open' else 'off' end;
update plans set description_en = 'For families and small teams', description_de = 'Für Familien und kleine Teams' where id = 'basic';
update plans set description_en = 'For clubs and businesses', description_de = 'Für Vereine und Betriebe' where id = 'advanced';
update plans set description_en = 'For schools and towns', description_de = 'Für Schulen und Kommunen' where id = 'all-in';
create unique index plans_version on plans (slug, version);
create index tenants_plan on tenants (plan_id); -- who is on a version

-- What is sold beside a plan: seats or bytes in packs, by the month. A yearly plan pays twelve times the price. Versions as above.
create table addons (
    id          text        primary key check (id ~ '^[a-z][a-z0-9-]{0,30}(\.[0-9]{1,6})?$'),
    slug        text        not null check (slug ~ '^[a-z][a-z0-9-]{0,30}$'),
    version     integer     not null default 1 check (version > 0),
    kind        text        not null check (kind in ('seats', 'storage')),
    amount      bigint      not null check (amount > 0), -- seats or bytes in one pack
    name        text        not null,
    name_de     text        not null default '',
    price_cents bigint      not null check (price_cents between 0 and 100000000),
    currency    text        not null check (currency ~ '^[A-Z]{3}$'),
    vat_rate    integer     not null check (vat_rate between 0 and 100),
    plans       text[]      not null default '{}', -- slugs it goes with; all when empty
    most        integer     not null default 100 check (most between 1 and 100000), -- packs a server may have
    position    integer     not null default 0,
    visible     boolean     not null default true,
    created_at  timestamptz not null default now(),
    created_by  text        not null default 'hafen'
);
create unique index addons_version on addons (slug, version);

create table coupons (
    code         text        primary key check (code ~ '^[A-Z0-9-]{3,40}$'),
    percent      integer     check (percent between 1 and 100),
    amount_cents bigint      check (amount_cents > 0), -- net, off every period's bill
    currency     text        check (currency ~ '^[A-Z]{3}$'),
    periods      integer     check (periods > 0),      -- how many bills it is good for; null for all
    plans        text[]      not null default '{}',    -- slugs; all when empty
    most         integer     check (most > 0),         -- how often it can be redeemed; null for ever
    redeem_by    timestamptz,
    note         text        not null default '',      -- for the operator
    created_at   timestamptz not null default now(),
    created_by   text        not null default 'hafen',
    withdrawn_at timestamptz,                          -- no new ones; who has it keeps it
    check ((percent is null) <> (amount_cents is null) and (amount_cents is null) = (currency is null))
);

-- Add-ons of a server. booked is the number from the next period on, when it differs.
create table tenant_addons (
    tenant_id text    not null references tenants,
    addon_id  text    not null references addons,
    quantity  integer not null check (quantity >= 0),
    booked    integer check (booked >= 0),
    primary key (tenant_id, addon_id)
);

-- Sums of the above, kept in the transaction that changes them: every question about a quota needs them.
alter table tenants
    add column extra_seats         integer not null default 0 check (extra_seats >= 0),
    add column extra_storage_bytes bigint  not null default 0 check (extra_storage_bytes >= 0),
    add column restricted          boolean not null default false; -- unpaid: reads go on, nothing new comes in

-- +goose Down
select 1;
