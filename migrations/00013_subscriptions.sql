-- Servers of before there were subscriptions get one, with the bills of our own: billed from the day they were ordered, up to the
-- end of the month that runs. A program that does not know of subscriptions may still be taking orders while this is applied,
-- so the biller calls it again.

-- +goose Up

-- +goose StatementBegin
create function adopt_servers(moment timestamptz) returns bigint language sql as $$
    with lone as (
        select t.id, t.account_id, t.status, t.created_at at time zone 'UTC' as anchor,
            (extract(year from a.passed) * 12 + extract(month from a.passed))::int as months
        from tenants t cross join lateral (select age(moment at time zone 'UTC', t.created_at at time zone 'UTC') as passed) a
        where t.status <> 'deleted' and not exists (select from subscriptions s where s.tenant_id = t.id)
            -- One whose order is being made has its own in the same transaction, which this does not see.
            and t.created_at < moment - interval '1 minute'
        for update of t skip locked
    ), adopted as (
        insert into subscriptions (tenant_id, account_id, provider, state, anchor, period_start, period_end)
        select id, account_id, 'invoice', case status when 'awaiting_payment' then 'pending' else 'active' end,
            case when status <> 'awaiting_payment' then anchor at time zone 'UTC' end,
            case when status <> 'awaiting_payment' then (anchor + make_interval(months => greatest(months, 0))) at time zone 'UTC' end,
            case when status <> 'awaiting_payment' then (anchor + make_interval(months => greatest(months, 0) + 1)) at time zone 'UTC' end
        from lone on conflict do nothing returning 1
    ) select count(*) from adopted
$$;
-- +goose StatementEnd
select adopt_servers(now() + interval '1 hour');

-- Who waits for something: pending changes, and what a provider outside must be told of in time.
create index subscriptions_change on subscriptions (changed_at) where change_key is not null;
create index subscriptions_booked on subscriptions (period_end) where provider <> 'invoice' and state in ('trialing', 'active');

-- +goose Down
select 1;
