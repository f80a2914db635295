-- What is owed and paid. Amounts are cents; net and tax apart. A server's own row says what runs; these say what it costs.

-- +goose Up

-- Who pays, as an invoice must name them (§14 (4) no. 1 UStG).
create table billing_profiles (
    account_id  uuid        primary key references accounts,
    company     text        not null default '',
    name        text        not null default '',
    street      text        not null default '',
    postcode    text        not null default '',
    city        text        not null default '',
    country     text        not null default 'DE' check (country ~ '^[A-Z]{2}$'),
    vat_id      text        not null default '',
    stripe_customer text    unique,
    changed_at  timestamptz not null default now()
);

-- Who sells, and how patient they are. One row; days count from the day a bill is due.
create table billing_settings (
    one           boolean primary key default true check (one),
    seller        jsonb   not null default '{}', -- billing.Party and what stands at the foot of an invoice
    due_days      integer not null default 14 check (due_days between 0 and 365),
    remind_days   integer not null default 3  check (remind_days >= 0),
    restrict_days integer not null default 10 check (restrict_days >= remind_days),
    suspend_days  integer not null default 20 check (suspend_days >= restrict_days),
    announce_days integer not null default 45 check (announce_days >= suspend_days),
    delete_days   integer not null default 60 check (delete_days > announce_days)
);
insert into billing_settings default values;

-- What a customer has agreed to pay for a server, period after period. The plan and add-ons are the server's own.
create table subscriptions (
    tenant_id     text        primary key references tenants,
    account_id    uuid        not null references accounts, -- who pays
    provider      text        not null check (provider in ('invoice', 'stripe')),
    state         text        not null default 'pending' check (state in ('pending', 'trialing', 'active', 'ended')),
    period_start  timestamptz,
    period_end    timestamptz, -- billed up to here
    trial_end     timestamptz,
    anchor        timestamptz, -- periods are counted from here
    booked_plan   text        references plans, -- from the next period on
    cancel_at_end boolean     not null default false,
    coupon        text        references coupons,
    coupon_left   integer     check (coupon_left >= 0), -- bills it is still good for; null for all
    -- A change that money must come for first, or that was being told to the provider: what was asked, under a key that makes
    -- asking again harmless.
    change        jsonb,
    change_key    uuid,
    changed_at    timestamptz,
    external_id   text        unique, -- Stripe's subscription
    checked_at    timestamptz not null default '-infinity', -- when the provider was last asked
    -- Dunning.
    stage         text        not null default 'paid' check (stage in ('paid', 'overdue', 'restricted', 'suspended', 'announced', 'deleted')),
    stage_since   timestamptz not null default now(),
    paused_until  timestamptz, -- dunning waits; set by an operator
    pause_note    text        not null default '',
    created_at    timestamptz not null default now(),
    check ((period_start is null) = (period_end is null) and period_end > period_start)
);
create index subscriptions_due on subscriptions (period_end) where state in ('trialing', 'active');
create index subscriptions_account on subscriptions (account_id);

-- Numbers without gaps (§14 (4) no. 4 UStG): the row is locked until the invoice that takes the number commits.
create table invoice_numbers (
    series text   primary key, -- year
    last   bigint not null
);

-- Bills, ours and those a provider wrote. Nothing but the status and the record of payments changes after issue.
create table invoices (
    id            uuid        primary key default gen_random_uuid(),
    kind          text        not null default 'invoice' check (kind in ('invoice', 'credit_note')),
    number        text        not null unique, -- ours: 2026-000123; Stripe's own otherwise
    provider      text        not null check (provider in ('invoice', 'stripe')),
    external_id   text        unique,
    account_id    uuid        not null references accounts,
    tenant_id     text        not null references tenants,
    corrects      uuid        references invoices, -- of a credit note
    status        text        not null check (status in ('open', 'paid', 'void', 'uncollectible')),
    language      text        not null check (language in ('de', 'en')),
    currency      text        not null check (currency ~ '^[A-Z]{3}$'),
    net_cents     bigint      not null,
    vat_cents     bigint      not null,
    gross_cents   bigint      not null check (gross_cents = net_cents + vat_cents),
    paid_cents    bigint      not null default 0, -- less refunds
    seller        jsonb       not null,
    buyer         jsonb       not null,
    vat_note      text        not null default '' check (vat_note in ('', 'reverse_charge', 'small_business', 'outside')),
    period_start  timestamptz, -- of supply (§14 (4) no. 6 UStG)
    period_end    timestamptz,
    issued_at     timestamptz not null default now(),
    due_at        timestamptz not null,
    paid_at       timestamptz,
    reminded_at   timestamptz,
    url           text        not null default '', -- where the provider shows it, and takes the money
    pdf           bytea       -- as first sent
);
create index invoices_tenant on invoices (tenant_id, issued_at desc);
create index invoices_account on invoices (account_id, issued_at desc);
create index invoices_open on invoices (due_at) where status = 'open';

create table invoice_lines (
    invoice_id  uuid    not null references invoices,
    position    integer not null,
    kind        text    not null check (kind in ('plan', 'seats', 'storage', 'proration', 'coupon', 'other')),
    text        text    not null, -- in the invoice's language
    quantity    integer not null,
    unit_cents  bigint  not null, -- net; negative gives back
    net_cents   bigint  not null,
    vat_rate    integer not null,
    from_at     timestamptz,
    until_at    timestamptz,
    primary key (invoice_id, position)
);

-- Webhook events, so that each is acted on once: written in the transaction that acts.
create table webhook_events (
    id          text        primary key,
    kind        text        not null,
    received_at timestamptz not null default now()
);
create index webhook_events_age on webhook_events (received_at);

-- The edge answers for a restricted tenant too.
alter table routes drop constraint routes_mode_check, add constraint routes_mode_check check (mode in ('open', 'restricted', 'suspended'));

-- An order is the first agreement; from here on it names the coupon and add-ons that were chosen.
alter table orders
    add column coupon text references coupons,
    add column addons jsonb not null default '[]',
    add column checkout_url text not null default '';

-- +goose Down
select 1;
