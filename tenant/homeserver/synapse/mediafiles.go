package synapse

import (
	"strings"

	"hafen/tenant/homeserver"
)

// Synapse keeps a file under the letters of its id, cut after the second and the fourth (synapse/media/filepath.py):
// local_content/Ab/Cd/EfGh..., and its smaller copies in local_thumbnails/Ab/Cd/EfGh.../. What it keeps of previewed pages
// lies in url_cache and url_cache_thumbnails, and goes by itself after some days.
func mediaFiles() homeserver.MediaFiles {
	return homeserver.MediaFiles{
		Remote: []string{"remote_content", "remote_thumbnail"},
		Name: func(path string) string {
			parts := strings.Split(path, "/")
			if len(parts) < 4 || parts[0] != "local_content" && parts[0] != "local_thumbnails" {
				return ""
			}
			return parts[1] + parts[2] + parts[3]
		},
		NamesSQL: `SELECT media_id FROM public.local_media_repository`,
	}
}
