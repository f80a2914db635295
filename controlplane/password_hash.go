package controlplane

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// PasswordHasher is the slow one-way function over passwords.
type PasswordHasher interface {
	// Hash makes a PHC string with a fresh salt.
	Hash(ctx context.Context, password string) (string, error)
	// Verify compares. An empty hash stands for nobody: the same work, and never a match.
	Verify(ctx context.Context, hash, password string) (HashMatch, error)
}

// HashMatch is what comparing with a hash finds.
type HashMatch string

// The results of a comparison.
const (
	HashDiffers  HashMatch = "differs"
	HashMatches  HashMatch = "matches"
	HashOutdated HashMatch = "outdated" // matches, but was made with other parameters than today's
)

// Argon2id hashes with argon2id (RFC 9106). At most as many hashes run at once as there are processors: a hundred logins
// wait instead of taking a hundred times the memory, which is given back to the system when it has been quiet for a while.
type Argon2id struct {
	p     argonParams
	slots chan struct{}

	mu    sync.Mutex
	quiet *time.Timer
}

type argonParams struct {
	memory uint32 // KiB
	time   uint32
	lanes  uint8
}

// OWASP "Password Storage Cheat Sheet": m=19456 (19 MiB), t=2, p=1, as strong as its choices with more memory.
var argonToday = argonParams{memory: 19456, time: 2, lanes: 1}

const (
	saltBytes = 16 // RFC 9106 section 3.1 recommends 16
	tagBytes  = 32

	// maxHashMemory guards against a row that asks for all memory there is: 256 MiB.
	maxHashMemory = 256 << 10
	maxHashTime   = 16

	// releaseAfter is longer than a burst of logins pauses, and short beside an idle night.
	releaseAfter = 5 * time.Second
)

// NewArgon2id makes the hasher. One serves a whole process.
func NewArgon2id() *Argon2id {
	return &Argon2id{p: argonToday, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// Hash implements PasswordHasher.
func (h *Argon2id) Hash(ctx context.Context, password string) (string, error) {
	var salt [saltBytes]byte
	rand.Read(salt[:])
	tag, err := h.derive(ctx, h.p, password, salt[:], tagBytes)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.p.memory, h.p.time, h.p.lanes,
		base64.RawStdEncoding.EncodeToString(salt[:]), base64.RawStdEncoding.EncodeToString(tag)), nil
}

// Verify implements PasswordHasher. A hash that cannot be read is an error, so that a damaged row is not taken for a
// wrong password.
func (h *Argon2id) Verify(ctx context.Context, hash, password string) (HashMatch, error) {
	if hash == "" {
		_, err := h.derive(ctx, h.p, password, make([]byte, saltBytes), tagBytes)
		return HashDiffers, err
	}
	p, salt, want, err := parseHash(hash)
	if err != nil {
		return HashDiffers, err
	}
	tag, err := h.derive(ctx, p, password, salt, uint32(len(want)))
	if err != nil {
		return HashDiffers, err
	}
	if subtle.ConstantTimeCompare(tag, want) != 1 {
		return HashDiffers, nil
	}
	if p != h.p || len(salt) != saltBytes || len(want) != tagBytes {
		return HashOutdated, nil
	}
	return HashMatches, nil
}

func (h *Argon2id) derive(ctx context.Context, p argonParams, password string, salt []byte, length uint32) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", context.Cause(ctx))
	}
	defer func() {
		<-h.slots
		h.releaseLater()
	}()
	return argon2.IDKey([]byte(normalPassword(password)), salt, p.time, p.memory, p.lanes, length), nil
}

// releaseLater returns the memory to the system: the runtime alone would keep a garbage block of 19 MiB for minutes.
func (h *Argon2id) releaseLater() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.quiet == nil {
		h.quiet = time.AfterFunc(releaseAfter, debug.FreeOSMemory)
		return
	}
	h.quiet.Reset(releaseAfter)
}

func parseHash(hash string) (p argonParams, salt, tag []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errors.New("read a password hash: not argon2id of a known version")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil {
		return p, nil, nil, fmt.Errorf("read a password hash's parameters: %w", err)
	}
	if p.memory > maxHashMemory || p.time == 0 || p.time > maxHashTime || p.lanes == 0 {
		return p, nil, nil, errors.New("read a password hash: parameters out of bounds")
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	tag, tagErr := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(saltErr, tagErr); err != nil {
		return p, nil, nil, fmt.Errorf("read a password hash's bytes: %w", err)
	}
	if len(salt) < 8 || len(tag) < 16 || len(tag) > 64 {
		return p, nil, nil, errors.New("read a password hash: salt or tag of a wrong length")
	}
	return p, salt, tag, nil
}

// normalPassword makes the same letters the same bytes, however a keyboard composes them (RFC 8265 section 4.2.2).
func normalPassword(p string) string { return norm.NFC.String(p) }
