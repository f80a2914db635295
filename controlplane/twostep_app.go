package controlplane

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // RFC 6238 as every app speaks it; HMAC does not need what SHA-1 has lost
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"hafen/tenant"
)

const (
	codePeriod  = 30        // seconds; RFC 6238 section 5.2
	codeSkew    = 1         // steps a clock may be off to either side; same section
	codeModulus = 1_000_000 // six digits
	secretBytes = 20        // the length of the hash: RFC 4226 section 4, requirement 6
	setupPeriod = time.Hour // to find the phone
)

// codeOf is the code of a time step (RFC 4226 section 5.3, RFC 6238 section 4).
func codeOf(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, secret)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fff_ffff%codeModulus)
}

// stepOf finds the time step a code belongs to. Those up to last are used up: a code that was read over a shoulder, or taken
// off the wire, is worth nothing once its owner has typed it.
func stepOf(secret []byte, code string, now time.Time, last int64) (step int64, ok bool) {
	current := now.Unix() / codePeriod
	for s := current - codeSkew; s <= current+codeSkew; s++ {
		if subtle.ConstantTimeCompare([]byte(codeOf(secret, s)), []byte(code)) == 1 && s > last && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}

// AppSetup is an authenticator app about to be added. Nothing is kept before its first code is right.
type AppSetup struct {
	Secret string // for typing, in groups of four
	URI    string // for the camera
	Sealed string // the secret on its way through the form
}

var secretText = base32.StdEncoding.WithPadding(base32.NoPadding)

// BeginApp draws the secret of a new app.
func (a *Accounts) BeginApp(account Account) (AppSetup, error) {
	plain := make([]byte, 8+secretBytes)
	binary.BigEndian.PutUint64(plain, uint64(a.Now().Add(setupPeriod).Unix()))
	rand.Read(plain[8:]) // ends the process rather than return an error
	sealed, err := a.Factors.key.Seal(plain, setupContext(account))
	if err != nil {
		return AppSetup{}, fmt.Errorf("begin with an authenticator app: %w", err)
	}
	return a.appSetup(account, plain[8:], base64.RawURLEncoding.EncodeToString(sealed)), nil
}

// ResumeApp is the same set-up after a mistake. Fault: twostep.setup_expired, also for what was not made here.
func (a *Accounts) ResumeApp(account Account, sealed string) (AppSetup, error) {
	secret, err := a.openSetup(account, sealed)
	if err != nil {
		return AppSetup{}, err
	}
	return a.appSetup(account, secret, sealed), nil
}

func (a *Accounts) appSetup(account Account, secret []byte, sealed string) AppSetup {
	text := secretText.EncodeToString(secret)
	// The issuer is our host: a person may have accounts at two hosters.
	label := url.PathEscape(a.Factors.host + ":" + account.Email)
	uri := "otpauth://totp/" + label + "?" + url.Values{"secret": {text}, "issuer": {a.Factors.host}}.Encode()
	return AppSetup{Secret: grouped(text), URI: uri, Sealed: sealed}
}

// grouped writes groups of four.
func grouped(text string) string {
	var b strings.Builder
	for i, r := range text {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (a *Accounts) openSetup(account Account, sealed string) ([]byte, error) {
	expired := &tenant.Fault{Kind: tenant.Conflict, Code: "twostep.setup_expired"}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, expired
	}
	plain, err := a.Factors.key.Open(raw, setupContext(account))
	if err != nil || len(plain) != 8+secretBytes {
		return nil, expired
	}
	if a.Now().Unix() > int64(binary.BigEndian.Uint64(plain)) {
		return nil, expired
	}
	return plain[8:], nil
}

// AddApp adds the app once it has shown a right code, and gives the recovery codes if it is the account's first second step.
// Faults: twostep.setup_expired, code.wrong, twostep.app_exists.
func (a *Accounts) AddApp(ctx context.Context, s Session, sealed, code string) (recovery []string, err error) {
	secret, err := a.openSetup(s.Account, sealed)
	if err != nil {
		return nil, err
	}
	step, ok := stepOf(secret, digits(code), a.Now(), 0)
	if !ok {
		return nil, &tenant.Fault{Kind: tenant.Invalid, Code: "code.wrong", Field: "code"}
	}
	kept, err := a.Factors.key.Seal(secret, appContext(s.Account.ID))
	if err != nil {
		return nil, fmt.Errorf("add an authenticator app: %w", err)
	}
	n, codes, err := a.newFactor(s, SecurityMail{Which: SecurityAppAdded})
	if err != nil {
		return nil, err
	}
	fresh, err := a.Store.CreateApp(ctx, n, kept, step)
	if errors.Is(err, ErrTaken) {
		return nil, &tenant.Fault{Kind: tenant.Conflict, Code: "twostep.app_exists", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("add an authenticator app: %w", err)
	}
	if !fresh {
		codes = nil
	}
	return codes, nil
}

// checkCode finds the step of a code of an account's app; 0 when it is wrong, used up, or there is no app.
func (a *Accounts) checkCode(ctx context.Context, account, code string) (int64, error) {
	sealed, last, err := a.Store.FindApp(ctx, account)
	if errors.Is(err, ErrNoFactor) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	secret, err := a.Factors.key.Open(sealed, appContext(account))
	if err != nil {
		return 0, fmt.Errorf("open the secret of an authenticator app: %w", err)
	}
	step, _ := stepOf(secret, digits(code), a.Now(), last)
	return step, nil
}

// digits takes away what apps and people put between them.
func digits(code string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' {
			return -1
		}
		return r
	}, code)
}

// The contexts bind what is sealed to its account and its use, so that neither rows nor forms can be swapped.
func appContext(account string) []byte    { return []byte("totp " + account) }
func setupContext(account Account) []byte { return []byte("totp set-up " + account.ID) }
