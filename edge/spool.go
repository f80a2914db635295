package edge

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// Synapse keeps a body of more than 100 kB on its disk until it is whole, and only then looks who sent it. A tenant's disk is
// everybody's, so who may make it keep how much is decided here: members whatever a request may hold, other servers together
// so many bytes at once and for so long, and strangers nothing but what fits into memory.
const (
	maxSpooled = 64 << 20        // of one tenant: five of the largest requests
	spoolTime  = 5 * time.Minute // 43 kB a second for the largest; servers have better lines
)

var errSpoolFull = errors.New("too many large requests of other servers at once")

// large reports whether a request's body is passed on as it comes, or could be.
func large(r *http.Request) bool {
	return r.ContentLength < 0 || r.ContentLength > maxReplay
}

// spooled is one body's part of what other servers have under way at a tenant.
type spooled struct {
	all  *atomic.Int64
	held int64
}

// take is called before the body is read, or under its lock, so never after it is finished.
func (s *spooled) take(n int64) error {
	if s.all.Add(n) > maxSpooled {
		s.all.Add(-n)
		return errSpoolFull
	}
	s.held += n
	return nil
}

func (s *spooled) release() { s.all.Add(-s.held) }

// forwardLarge forwards a request with a large body that is no upload.
func (e *Edge) forwardLarge(w http.ResponseWriter, r *http.Request, s site, p *passage) {
	if p.target.api != federationAPI && p.target.api != keyAPI {
		if e.vouch(w, r, s) {
			e.forward(w, r, p)
		}
		return
	}
	share := &spooled{all: &s.tenant.spooled}
	defer share.release()
	p.body = e.metered(w, r, maxBody)
	p.body.most = spoolTime
	if r.ContentLength < 0 {
		p.body.take = share.take
	} else if share.take(r.ContentLength) != nil {
		e.refuse(w, r, tooManyRequests) // now, and not in the middle, when others would be refused with it
		return
	}
	e.forward(w, r, p) // finishes the body
}
