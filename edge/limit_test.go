package edge_test

import "testing"

func TestAppsLearnTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(10<<20, 3<<20, 0))
	client := w.client(t, w.https, true)
	for _, path := range []string{"media/v3/config", "media/r0/config", "client/v1/media/config", "client/unstable/org.matrix.msc3916/media/config"} {
		if got := get(t, client, "https://alpha.example.org/_matrix/"+path); got.status != 200 || got.json["m.upload.size"] != float64(3<<20) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
