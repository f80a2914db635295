package dendrite

import (
	"context"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

const (
	countMediaUsersSQL = `
SELECT count(DISTINCT user_id) FROM public.mediaapi_media_repository WHERE media_origin = $1`

	mediaUsersSQL = `
WITH stored AS (
  SELECT user_id, count(*) AS files, sum(file_size_bytes)::bigint AS bytes
    FROM public.mediaapi_media_repository WHERE media_origin = $1
   GROUP BY user_id ORDER BY bytes DESC, user_id COLLATE "C" LIMIT $2 OFFSET $3
)
SELECT left(u.user_id, 255), u.files, u.bytes, left(coalesce(p.display_name, ''), 255)
  FROM stored u
  LEFT JOIN public.userapi_profiles p ON p.server_name = $1 AND u.user_id = '@' || p.localpart || ':' || p.server_name
 ORDER BY u.bytes DESC, u.user_id COLLATE "C"`
)

// MediaUsers implements [homeserver.Media].
func (s *server) MediaUsers(ctx context.Context, p homeserver.Page) (homeserver.MediaUserPage, error) {
	var page homeserver.MediaUserPage
	wanted := admin.Bound(p)
	err := s.inDatabase(ctx, "list who stored how much", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, countMediaUsersSQL, string(s.Spec.ServerName)).Scan(&page.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, mediaUsersSQL, string(s.Spec.ServerName), wanted.Limit, wanted.Offset)
		if err != nil {
			return err
		}
		page.Users, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (homeserver.MediaUser, error) {
			var u homeserver.MediaUser
			var id string
			err := row.Scan(&id, &u.Files, &u.Bytes, &u.DisplayName)
			u.Localpart = s.localpart(id)
			return u, err
		})
		return err
	})
	return page, err
}

// $1 is the server's name, $2 an owner's Matrix id or "".
const (
	mediaFromSQL = `
  FROM public.mediaapi_media_repository WHERE media_origin = $1 AND ($2 = '' OR user_id = $2)`

	countMediaSQL = `SELECT count(*)` + mediaFromSQL

	listMediaSQL = `
SELECT left(media_id, 255), left(upload_name, 1024), left(content_type, 255), file_size_bytes, left(user_id, 255), creation_ts` +
		mediaFromSQL + `
 ORDER BY file_size_bytes DESC, media_id COLLATE "C" LIMIT $3 OFFSET $4`
)

// ListMedia implements [homeserver.Media]. The same content uploaded twice is two files here and one on the disk.
func (s *server) ListMedia(ctx context.Context, q homeserver.MediaQuery) (homeserver.MediaPage, error) {
	var page homeserver.MediaPage
	wanted := admin.Bound(q.Page)
	owner := ""
	if q.Owner != "" {
		owner = s.userID(q.Owner)
	}
	err := s.inDatabase(ctx, "list the media", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, countMediaSQL, string(s.Spec.ServerName), owner).Scan(&page.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listMediaSQL, string(s.Spec.ServerName), owner, wanted.Limit, wanted.Offset)
		if err != nil {
			return err
		}
		page.Files, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (homeserver.MediaFile, error) {
			var f homeserver.MediaFile
			var id string
			var created int64
			err := row.Scan(&f.ID, &f.Name, &f.Type, &f.Bytes, &id, &created)
			f.Owner, f.CreatedAt = s.localpart(id), admin.Moment(created)
			// Dendrite keeps names in the form of a URL's path (mediaapi/routing/upload.go).
			if name, err := url.PathUnescape(f.Name); err == nil {
				f.Name = name
			}
			return f, err
		})
		return err
	})
	return page, err
}

// localpart of a Matrix id of this server.
func (s *server) localpart(id string) tenant.Localpart {
	return tenant.Localpart(strings.TrimSuffix(strings.TrimPrefix(id, "@"), ":"+string(s.Spec.ServerName)))
}
