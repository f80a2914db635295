-- The way back after a change of address, mailed to the former one.

-- +goose Up

-- In rows of its own: neither a new password nor another change of address makes it useless, for whoever has taken an account over
-- makes both. What is used ends the younger ones of the account, which lead back to a thief's addresses.
create table email_undos (
    hash       bytea       primary key,
    account_id uuid        not null references accounts on delete cascade,
    email      text        not null check (length(email) between 3 and 254), -- the former one
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index email_undos_account on email_undos (account_id);

-- +goose Down
-- Forward only.
select 1;
