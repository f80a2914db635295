-- Rooms, media, and words to all.

-- +goose Up

-- The long operations on what a server holds, as their pages list them.
create index operations_content on operations (tenant_id, created_at desc)
    where kind in ('delete_room', 'delete_media', 'purge_remote_media');

-- A word to all, or to some: sent by one operation, recipient after recipient.
create table announcements (
    id           uuid        primary key, -- drawn by the page that asks for it, so that a form sent twice is one
    tenant_id    text        not null references tenants,
    operation_id uuid        not null references operations,
    actor        text        not null,
    text         text        not null check (text <> '' and length(text) <= 5000),
    everybody    boolean     not null,
    total        integer     not null check (total > 0),
    sent         integer     not null default 0,
    failed       integer     not null default 0,
    created_at   timestamptz not null default now()
);
create index announcements_tenant on announcements (tenant_id, created_at desc);

create table announcement_recipients (
    announcement_id uuid        not null references announcements on delete cascade,
    localpart       text        not null,
    attempts        smallint    not null default 0,
    settled_at      timestamptz,                     -- when it was sent, or given up
    code            text        not null default '', -- why it was given up
    primary key (announcement_id, localpart)
);
create index announcement_recipients_open on announcement_recipients (announcement_id, attempts, localpart) where settled_at is null;
create index announcement_recipients_failed on announcement_recipients (announcement_id, localpart) where code <> '';

-- +goose Down
-- Forward only.
select 1;
