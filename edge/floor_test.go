package edge_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"hafen/tenant"
)

// Messages are small and many, and nobody asks the gate for them: past the floor they would fill the disk of all.
func TestPastItsFloorATenantOnlyReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 1<<20, 0))
	client := w.client(t, w.https, true)
	const base = "https://alpha.example.org/_matrix/client/v3/"
	send := func() reply {
		return do(t, client, request(t, "PUT", base+"rooms/!a:b/send/m.room.message/1", strings.NewReader("{}")))
	}
	own := w.source.snapshot.Routes[0].Tenant
	measure := func(bytes int64) {
		w.source.measure(tenant.StorageUse{Tenant: own, Bytes: bytes, MeasuredAt: time.Now()})
	}
	floor := tenant.Quota{StorageBytes: 1 << 20}.Floor()
	measure(floor)
	eventually(t, "uploads are refused", func() bool {
		return do(t, client, request(t, "POST", uploadURL, bytes.NewReader(make([]byte, 1)))).status == 413
	})
	if got := send(); got.status != 200 {
		t.Errorf("full, and not past the floor: %d %s", got.status, got.body)
	}
	measure(floor + 1)
	eventually(t, "messages are refused", func() bool { return send().status != 200 })
	refused := send()
	refused.isRefusal(t, 403, "M_RESOURCE_LIMIT_EXCEEDED")
	if refused.json["limit_type"] != "storage" || refused.json["admin_contact"] != "mailto:help@example.org" || refused.json["can_upgrade"] != true {
		t.Errorf("no way on: %s", refused.body)
	}
	for method, path := range map[string]string{"GET": "sync", "POST": "keys/upload"} {
		if got := do(t, client, request(t, method, base+path, nil)); got.status != 200 {
			t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
		}
	}
	measure(1 << 10)
	eventually(t, "there is room again", func() bool { return send().status == 200 })
}
