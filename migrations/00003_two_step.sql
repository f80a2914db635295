-- Two-step login, passkeys, re-authentication, change of address.

-- +goose Up

-- When the person last proved to be there: at the login, or since. A program that does not know the column writes logins only.
alter table sessions add column reauthenticated_at timestamptz not null default now();
update sessions set reauthenticated_at = created_at;

-- Authenticator apps (RFC 6238). The secret is sealed with the key of second factors, which is not in this database.
create table totp (
    account_id uuid        primary key references accounts on delete cascade,
    sealed     bytea       not null,
    last_step  bigint      not null, -- of the newest code accepted: it and those before are used up
    created_at timestamptz not null default now()
);

-- What opens the second step when everything else is lost. A stolen table opens nothing: SHA-256 of 80 random bits.
create table recovery_codes (
    account_id uuid        not null references accounts on delete cascade,
    hash       bytea       not null,
    used_at    timestamptz,
    primary key (account_id, hash)
);

create table passkeys (
    id            uuid        primary key default gen_random_uuid(), -- in addresses
    account_id    uuid        not null references accounts on delete cascade,
    credential_id bytea       not null unique,
    credential    jsonb       not null, -- the credential record of WebAuthn (section 4), with the public key
    sign_count    bigint      not null, -- must grow, unless the authenticator does not count
    name          text        not null check (length(name) between 1 and 60),
    created_at    timestamptz not null default now(),
    used_at       timestamptz
);
create index passkeys_account on passkeys (account_id);

-- Challenges of passkeys that were answered: each once. They travel sealed in the page, so that a page nobody acts on costs no row.
create table passkey_challenges (
    hash       bytea       primary key,
    expires_at timestamptz not null
);

-- Logins whose password was right and whose second step is still to come. None of them is a session.
create table half_logins (
    token_hash bytea       primary key, -- SHA-256 of the cookie
    account_id uuid        not null references accounts on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index half_logins_account on half_logins (account_id);

-- Links that change an account's address; the newest of an account counts.
create table email_changes (
    hash       bytea       primary key,
    account_id uuid        not null references accounts on delete cascade,
    email      text        not null check (length(email) between 3 and 254),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index email_changes_account on email_changes (account_id);

-- +goose Down
-- Forward only.
select 1;
