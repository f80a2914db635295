package edge_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"hafen/tenant"
)

// Between two measurements the edge alone knows what was uploaded. A killed one must not forget it.
func TestAcceptedUploadsSurviveARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 1<<20, 0))
	upload := func(n int) int {
		return do(t, w.client(t, w.https, true), request(t, "POST", uploadURL, bytes.NewReader(make([]byte, n)))).status
	}
	start := func() { w.run(t) } // until the whole test ends
	if upload(500*kib) != 200 || upload(400*kib) != 200 {
		t.Fatal("the first uploads are refused")
	}
	w.stop(t)
	start()
	if upload(200*kib) != 413 {
		t.Fatal("a restart has forgotten the uploads")
	}
	if upload(100*kib) != 200 {
		t.Error("there is less left than before")
	}
	own := w.source.snapshot.Routes[0].Tenant
	t.Run("what was measured since is not counted twice", func(t *testing.T) {
		w.source.measure(tenant.StorageUse{Tenant: own, Bytes: 500 * kib, MeasuredAt: time.Now()})
		eventually(t, "the measurement arrives", func() bool { return upload(300*kib) == 200 })
		w.stop(t)
		start()
		if upload(200*kib) != 200 || upload(200*kib) != 413 {
			t.Error("after the second restart another amount is left")
		}
	})
	t.Run("what is damaged is left out, and the rest counts", func(t *testing.T) {
		w.stop(t)
		journal := w.copy + ".uploads"
		content, err := os.ReadFile(journal)
		must(t, err)
		if info, err := os.Stat(journal); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode: %v, %v", info, err)
		}
		must(t, os.WriteFile(journal, append(content, "\n{\"Tenant\":\"t"...), 0o600)) // as after a loss of power
		start()
		if upload(200*kib) != 413 {
			t.Error("one damaged line has lost the others")
		}
	})
	t.Run("it does not grow for ever", func(t *testing.T) {
		w.source.measure(tenant.StorageUse{Tenant: own, Bytes: 0, MeasuredAt: time.Now()})
		eventually(t, "the measurement arrives", func() bool { return upload(300*kib) == 200 })
		w.stop(t) // writes the local copy, and the journal anew
		content, err := os.ReadFile(w.copy + ".uploads")
		must(t, err)
		if lines := strings.Count(string(content), "\n"); lines > 2 {
			t.Errorf("%d lines are left of what was measured:\n%s", lines, content)
		}
	})
}
