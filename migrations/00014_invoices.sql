-- What was paid for invoices of our own, and that an issued invoice stays as it is.

-- +goose Up

-- Amounts that came, in parts if they did. The sum is kept beside the invoice.
create table invoice_payments (
    id           bigint      generated always as identity primary key,
    invoice_id   uuid        not null references invoices,
    amount_cents bigint      not null check (amount_cents > 0),
    paid_on      date        not null,
    note         text        not null default '',
    booked_by    text        not null, -- an operator's address, or "hafen"
    booked_at    timestamptz not null
);
create index invoice_payments_invoice on invoice_payments (invoice_id);

create unique index invoices_corrects on invoices (corrects); -- an invoice is taken back once

-- A mail may carry an invoice; and one that must be written once has a name.
alter table mails
    add column invoice_id uuid references invoices,
    add column once       text unique;

-- An invoice that was given to somebody is never changed (§14 UStG, GoBD): of ours, only what became of it is. Not even by a
-- slip in our own code.
-- +goose StatementBegin
create function invoices_stay() returns trigger language plpgsql as $$
declare
    moves text[] := array['status', 'paid_cents', 'paid_at', 'reminded_at', 'pdf'];
begin
    if old.provider <> 'invoice' then
        return coalesce(new, old);
    end if;
    if tg_op = 'DELETE' then
        raise exception 'invoice % was issued and stays', old.number;
    end if;
    if to_jsonb(new) - moves <> to_jsonb(old) - moves or old.pdf is not null and new.pdf is distinct from old.pdf
        or old.status = 'void' and new.status <> 'void' then
        raise exception 'invoice % was issued and stays as it is', old.number;
    end if;
    return new;
end $$;
-- Lines are written by the transaction that issues the invoice, and by no other.
create function invoice_lines_stay() returns trigger language plpgsql as $$
begin
    if exists (select from invoices i where i.id = coalesce(new.invoice_id, old.invoice_id) and i.provider = 'invoice'
        and (tg_op <> 'INSERT' or i.xmin <> pg_current_xact_id()::xid)) then
        raise exception 'the lines of an issued invoice stay as they are';
    end if;
    return coalesce(new, old);
end $$;
-- +goose StatementEnd
create trigger invoices_stay before update or delete on invoices for each row execute function invoices_stay();
create trigger invoice_lines_stay before insert or update or delete on invoice_lines for each row execute function invoice_lines_stay();

-- +goose Down
select 1;
