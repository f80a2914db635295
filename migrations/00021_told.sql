-- What a payment provider outside must still be told of.

-- +goose Up

alter table subscriptions add column untold_since timestamptz; -- null: it knows all that it is to know
create index subscriptions_untold on subscriptions (untold_since) where untold_since is not null;

alter table billing_findings drop constraint billing_findings_kind_check,
    add check (kind in ('unknown', 'double', 'gone', 'missing', 'differs', 'bill', 'untold'));

-- +goose Down
-- Forward only.
select 1;
