-- Which homeservers a plan offers, the first one being what an order gets that asks for none.

-- +goose Up

alter table plans add column engines text[] not null default '{synapse,dendrite}'
    check (cardinality(engines) > 0 and engines <@ '{synapse,dendrite}');

-- +goose Down
select 1;
