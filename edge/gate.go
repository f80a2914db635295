package edge

import (
	"net/http"
	"time"

	"hafen/tenant"
)

// upload is one upload's passage through the quota gate.
//
// With a declared length the whole of it is reserved before anything is read; without, each piece as it comes. Either way
// what is reserved never exceeds what is left, so parallel uploads cannot together pass the quota. Strangers get no
// reservation (see vouch), nor does a body begin before the homeserver has agreed to its headers, where an engine does what
// "Expect: 100-continue" asks for.
type upload struct {
	tenant   tenant.ID
	meter    *meter
	journal  *journal
	reserved int64
	body     *meteredBody
	spoken   bool // the homeserver has answered
	kept     bool // and said that it keeps it
	settled  bool
	now      func() time.Time
}

// writes reports whether a request to an upload path brings something to keep.
func writes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// floor is what a tenant may store whatever anybody does. The homeserver's volume ends there by itself; its database has no end of
// its own, and grows by messages, which are too many and too small to ask for each. So past it a tenant only reads.
func floor(route tenant.Route) int64 { return tenant.Quota{StorageBytes: route.StorageBytes}.Floor() }

// admit makes the reservation, or says why not.
func (e *Edge) admit(s site, w http.ResponseWriter, r *http.Request) (*upload, *refusal) {
	u := &upload{tenant: s.route.Tenant, meter: &s.tenant.meter, journal: e.journal, reserved: max(r.ContentLength, 0), now: e.config.Now}
	if !u.meter.reserve(u.reserved) {
		why := e.overStorage(s.route)
		return nil, &why
	}
	u.body = e.metered(w, r, s.route.UploadBytes)
	if r.ContentLength < 0 {
		u.body.take = u.extend
	}
	return u, nil
}

// extend is called under the body's lock, so never after settle.
func (u *upload) extend(n int64) error {
	if !u.meter.extend(n) {
		return errOverStorage
	}
	u.reserved += n
	return nil
}

// answered settles as soon as the homeserver has spoken, so that whoever has read the answer finds the space given back,
// or counted.
func (u *upload) answered(status int) {
	u.spoken, u.kept = true, status >= 200 && status < 300
	u.settle()
}

// settle releases the reservation; what the homeserver has kept counts as used from here on. Only the first call counts.
//
// When the whole body went through and no answer came, because the client left or the homeserver fell over, it may have been
// kept: Synapse goes on with what it has. It counts until the next measurement knows, or whoever hangs up each time after
// the last byte would go past the quota.
func (u *upload) settle() {
	if u.settled {
		return
	}
	u.settled = true
	stored, whole := u.body.finish()
	if u.spoken && !u.kept || !u.spoken && !whole {
		stored = 0
	}
	u.journal.settle(u.tenant, u.meter, u.reserved, stored, u.now())
}
