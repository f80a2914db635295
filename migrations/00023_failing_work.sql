-- What runs by the clock and fails at present, for operators to see. What works again is gone from here.

-- +goose Up
create table failing_work (
    name   text        primary key,
    since  timestamptz not null default now(), -- the first of the failures in a row
    last   timestamptz not null default now(),
    error  text        not null
);

-- +goose Down
select 1;
