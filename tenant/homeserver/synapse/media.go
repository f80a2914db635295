package synapse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// media manages files. Pictures of previewed pages lie among the uploads of whoever mentioned the page; they are nobody's
// files, and Synapse removes them by itself.
type media struct{ *client }

// A place kept for an upload that never came has no length. $1 is an owner's id, or null for everybody's.
const filesSQL = `
  FROM public.local_media_repository
 WHERE url_cache IS NULL AND media_length IS NOT NULL AND user_id IS NOT NULL AND ($1::text IS NULL OR user_id = $1)`

// $2 is the server's name.
const mediaUsersSQL = `
SELECT left(substr(m.user_id, 2, length(m.user_id) - length($2::text) - 2), 255), left(coalesce(p.displayname, ''), 255), m.files, m.bytes
  FROM (SELECT user_id, count(*) AS files, sum(media_length)::bigint AS bytes` + filesSQL + ` GROUP BY user_id) m
  LEFT JOIN public.profiles p ON p.full_user_id = m.user_id
 ORDER BY m.bytes DESC, m.user_id LIMIT $3 OFFSET $4`

// MediaUsers implements [homeserver.Media].
func (m media) MediaUsers(ctx context.Context, p homeserver.Page) (homeserver.MediaUserPage, error) {
	var result homeserver.MediaUserPage
	p = admin.Bound(p)
	err := m.read(ctx, "list who stores how much", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT count(DISTINCT user_id)`+filesSQL, nil).Scan(&result.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, mediaUsersSQL, nil, string(m.Spec.ServerName), p.Limit, p.Offset)
		if err != nil {
			return err
		}
		result.Users, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (homeserver.MediaUser, error) {
			var u homeserver.MediaUser
			var name string
			err := row.Scan(&name, &u.DisplayName, &u.Files, &u.Bytes)
			u.Localpart = tenant.Localpart(name)
			return u, err
		})
		return err
	})
	return result, err
}

const pageOfFilesSQL = `
SELECT left(media_id, 255), left(coalesce(upload_name, ''), 255), left(coalesce(media_type, ''), 255), media_length,
       left(substr(user_id, 2, length(user_id) - length($2::text) - 2), 255), coalesce(created_ts, 0),
       coalesce(last_access_ts, 0), quarantined_by IS NOT NULL` + filesSQL + `
 ORDER BY media_length DESC, media_id LIMIT $3 OFFSET $4`

// ListMedia implements [homeserver.Media].
func (m media) ListMedia(ctx context.Context, q homeserver.MediaQuery) (homeserver.MediaPage, error) {
	var owner *string
	if q.Owner != "" {
		id := m.userID(q.Owner)
		owner = &id
	}
	page := admin.Bound(q.Page)
	var result homeserver.MediaPage
	err := m.read(ctx, "list files", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT count(*)`+filesSQL, owner).Scan(&result.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, pageOfFilesSQL, owner, string(m.Spec.ServerName), page.Limit, page.Offset)
		if err != nil {
			return err
		}
		result.Files, err = pgx.CollectRows(rows, scanFile)
		return err
	})
	return result, err
}

func scanFile(row pgx.CollectableRow) (homeserver.MediaFile, error) {
	var f homeserver.MediaFile
	var owner string
	var created, seen int64
	err := row.Scan(&f.ID, &f.Name, &f.Type, &f.Bytes, &owner, &created, &seen, &f.Quarantined)
	f.Owner, f.CreatedAt, f.SeenAt = tenant.Localpart(owner), admin.Moment(created), admin.Moment(seen)
	return f, err
}

const fileSQL = `
SELECT coalesce(media_length, 0) + coalesce((SELECT sum(t.thumbnail_length) FROM public.local_media_repository_thumbnails t
                                              WHERE t.media_id = f.media_id), 0)::bigint
  FROM public.local_media_repository f WHERE media_id = $1`

// DeleteMedia implements [homeserver.Media]. What it frees counts the smaller copies of a picture.
func (m media) DeleteMedia(ctx context.Context, id string) (homeserver.Stored, error) {
	freed := homeserver.Stored{Files: 1}
	err := m.read(ctx, "look for a file", func(tx pgx.Tx) error { return tx.QueryRow(ctx, fileSQL, id).Scan(&freed.Bytes) })
	if errors.Is(err, pgx.ErrNoRows) {
		return homeserver.Stored{}, nil
	}
	if err != nil {
		return homeserver.Stored{}, err
	}
	err = m.ask(ctx, http.MethodDelete, m.path("", id), nil, nil)
	if admin.Missing(err) { // by another, meanwhile
		return homeserver.Stored{}, nil
	}
	if err != nil {
		return homeserver.Stored{}, failed("delete a file", err, mediaUnknown)
	}
	return freed, nil
}

// Quarantine implements [homeserver.Media].
func (m media) Quarantine(ctx context.Context, id string, on bool) error {
	action := "unquarantine/"
	if on {
		action = "quarantine/"
	}
	err := m.ask(ctx, http.MethodGet, m.path("", id), nil, nil) // of what is not there Synapse says nothing
	if err == nil {
		err = m.ask(ctx, http.MethodPost, m.path(action, id), struct{}{}, nil)
	}
	return failed("quarantine a file", err, mediaUnknown)
}

func (m media) path(action, id string) string {
	return api + "/v1/media/" + action + url.PathEscape(string(m.Spec.ServerName)) + "/" + url.PathEscape(id)
}

func mediaUnknown() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "media.unknown"} }

// What Synapse would purge: nothing in quarantine, so that it is not fetched again.
const remoteSQL = `
SELECT count(*), coalesce(sum(r.media_length + coalesce((
         SELECT sum(t.thumbnail_length) FROM public.remote_media_cache_thumbnails t
          WHERE t.media_origin = r.media_origin AND t.media_id = r.media_id), 0)), 0)::bigint
  FROM public.remote_media_cache r
 WHERE r.last_access_ts < $1 AND r.quarantined_by IS NULL`

// CountRemote implements [homeserver.RemoteMedia].
func (m media) CountRemote(ctx context.Context, before time.Time) (homeserver.Stored, error) {
	var s homeserver.Stored
	err := m.read(ctx, "count other servers' files", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, remoteSQL, before.UnixMilli()).Scan(&s.Files, &s.Bytes)
	})
	return s, err
}

// The time of the file after so many others.
const portionSQL = `
SELECT last_access_ts FROM public.remote_media_cache WHERE last_access_ts >= $1 AND last_access_ts < $2 AND quarantined_by IS NULL
 ORDER BY last_access_ts OFFSET $3 LIMIT 1`

// A request that removes more files than this could last longer than anybody waits for its answer.
const portion = 500

// portion gives the end of the next portion.
func (m media) portion(ctx context.Context, from, end int64) (until int64, err error) {
	err = m.read(ctx, "count other servers' files", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, portionSQL, from, end, portion).Scan(&until)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return end, nil
	}
	return until + 1, err // with that file: many may be of one moment
}

// PurgeRemote implements [homeserver.RemoteMedia]. In portions, the oldest first: cut short, it has done a part, and can go
// on.
func (m media) PurgeRemote(ctx context.Context, before time.Time) (homeserver.Stored, error) {
	was, err := m.CountRemote(ctx, before)
	if err != nil || was.Files == 0 {
		return homeserver.Stored{}, err
	}
	for from, end := int64(0), before.UnixMilli(); from < end; {
		until, err := m.portion(ctx, from, end)
		if err != nil {
			return homeserver.Stored{}, err
		}
		path := api + "/v1/purge_media_cache?before_ts=" + strconv.FormatInt(until, 10)
		if err := m.ask(ctx, http.MethodPost, path, struct{}{}, nil); err != nil {
			return homeserver.Stored{}, fmt.Errorf("synapse: remove other servers' files: %w", err)
		}
		from = until
	}
	is, err := m.CountRemote(ctx, before)
	return homeserver.Stored{Files: max(was.Files-is.Files, 0), Bytes: max(was.Bytes-is.Bytes, 0)}, err
}
