-- Measurements move the edge's revision and give it no hint: it looks every few seconds, which is soon enough for what is
-- measured every few minutes. With thousands of tenants it would otherwise read all of theirs dozens of times a second.

-- +goose Up

-- +goose StatementBegin
create or replace function touch_edge() returns trigger language plpgsql as $$
begin
    update edge_revisions set revision = revision + 1 where part = tg_table_name;
    if tg_table_name <> 'usage' then
        notify hafen_edge;
    end if;
    return null;
end $$;
-- +goose StatementEnd

-- +goose Down
select 1;
