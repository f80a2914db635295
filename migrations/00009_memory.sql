-- Room for Synapse: idle it has 128 MB resident, a photograph of 12 megapixels on its way to a thumbnail takes it to 250, one of 20
-- to 314 (measured with 1.163.2). What operators have changed stays.

-- +goose Up

update plans set memory_bytes = 402653184  where id = 'basic'    and memory_bytes = 268435456;
update plans set memory_bytes = 536870912  where id = 'advanced' and memory_bytes = 402653184;
update plans set memory_bytes = 1073741824 where id = 'all-in'   and memory_bytes = 805306368;

-- +goose Down
select 1;
