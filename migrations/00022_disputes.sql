-- A customer's bank asks for a bill's money back.

-- +goose Up

alter table invoices
    add column dispute_status text        not null default '', -- Stripe's word, '' for none
    add column dispute_reason text        not null default '',
    add column dispute_cents  bigint      not null default 0,
    add column respond_by     timestamptz; -- when the seller's answer is due
create index invoices_disputed on invoices (issued_at) where dispute_status <> '';

-- What came for a bill otherwise than through its provider.
-- +goose StatementBegin
create function booked_for(invoice uuid) returns bigint language sql stable as $$
    select coalesce(sum(amount_cents), 0)::bigint from invoice_payments where invoice_id = invoice
$$;
-- +goose StatementEnd

-- +goose Down
-- Forward only.
select 1;
