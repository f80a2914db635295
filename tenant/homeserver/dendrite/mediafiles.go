package dendrite

import (
	"strings"

	"hafen/tenant/homeserver"
)

// Sizes of what came from elsewhere alone: the same content from here and from there is one file. Smaller copies are counted
// with it.
const remoteBytesSQL = `
WITH remote AS (
  SELECT DISTINCT ON (base64hash) base64hash, media_id, media_origin, file_size_bytes
    FROM public.mediaapi_media_repository r WHERE media_origin <> $1 AND NOT EXISTS (
      SELECT FROM public.mediaapi_media_repository l WHERE l.media_origin = $1 AND l.base64hash = r.base64hash)
   ORDER BY base64hash)
SELECT (SELECT coalesce(sum(file_size_bytes), 0) FROM remote)::bigint
     + (SELECT coalesce(sum(t.file_size_bytes), 0) FROM public.mediaapi_thumbnail t JOIN remote USING (media_id, media_origin))::bigint`

// Dendrite keeps a file under the hash of its content, own and others' together (mediaapi/fileutils): A/b/CdEf.../file, with
// its smaller copies beside it; tmp holds what is being received.
func mediaFiles() homeserver.MediaFiles {
	return homeserver.MediaFiles{
		RemoteSQL: remoteBytesSQL,
		Name: func(path string) string {
			parts := strings.Split(path, "/")
			if len(parts) != 4 || parts[0] == "tmp" {
				return ""
			}
			return parts[0] + parts[1] + parts[2]
		},
		NamesSQL: `SELECT base64hash FROM public.mediaapi_media_repository`,
	}
}
