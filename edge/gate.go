package edge

import (
	"net/http"
	"time"
)

// upload is one upload's passage through the quota gate.
//
// With a declared length the whole of it is reserved before anything is read; without, each piece as it comes. Either way
// what is reserved never exceeds what is left, so parallel uploads cannot together pass the quota. The homeserver is asked
// with "Expect: 100-continue": it refuses a bad token before the body is read, so that strangers cannot hold reservations.
type upload struct {
	meter    *meter
	reserved int64
	body     *meteredBody
	status   int // what the homeserver answered; 0 when it did not
	now      func() time.Time
}

// writes reports whether a request to an upload path brings something to keep.
func writes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// admit makes the reservation, or says why not.
func (e *Edge) admit(s site, w http.ResponseWriter, r *http.Request) (*upload, *refusal) {
	if r.ContentLength > s.route.UploadBytes {
		why := tooLarge
		return nil, &why
	}
	u := &upload{meter: &s.tenant.meter, reserved: max(r.ContentLength, 0), now: e.config.Now}
	if !u.meter.reserve(u.reserved) {
		why := overStorage(s.route.Contact)
		return nil, &why
	}
	u.body = e.metered(w, r, s.route.UploadBytes)
	if r.ContentLength < 0 {
		u.body.take = u.extend
	}
	return u, nil
}

// extend is called under the body's lock, so never after settle.
func (u *upload) extend(n int64) bool {
	if !u.meter.extend(n) {
		return false
	}
	u.reserved += n
	return true
}

// settle releases the reservation; what the homeserver has kept counts as used from here on.
func (u *upload) settle() {
	stored := u.body.finish()
	if u.status < 200 || u.status > 299 {
		stored = 0
	}
	u.meter.settle(u.reserved, stored, u.now())
}
