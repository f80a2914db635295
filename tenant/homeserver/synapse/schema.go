package synapse

import "hafen/tenant/homeserver"

// schema is what Synapse's tables hold before anybody is on the server. The other tables with rows at that time hold what the
// server itself did: a finished task, caches told to forget.
func schema() homeserver.Schema {
	return homeserver.Schema{
		Tables: []string{
			"schema_version", "schema_compat_version", "applied_schema_deltas",
			// How far streams were followed, one row each; Synapse makes the row with the table and fails without it.
			"appservice_stream_position", "delayed_events_stream_pos", "device_lists_changes_converted_stream_position",
			"device_lists_changes_in_room_max_pruned_stream_id", "event_push_summary_last_receipt_stream_id",
			"event_push_summary_stream_ordering", "federation_stream_position", "room_forgetter_stream_pos",
			"stats_incremental_position", "user_directory_stream_pos",
		},
		// A new database has some sixty of them, mostly indexes, and Synapse pauses after each.
		Settled: `SELECT NOT EXISTS (SELECT FROM public.background_updates)`,
	}
}
