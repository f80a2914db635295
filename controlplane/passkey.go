package controlplane

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"hafen/tenant"
)

// Factors is what second steps are made of: the key that seals them, and the site passkeys are bound to.
//
// A passkey belongs to the website's host name, exactly: browsers let the pages of names below it, where tenants live, ask for
// the same passkey, but sign which page it was, and any but ours is refused.
type Factors struct {
	key  FactorKey
	host string
	site *webauthn.WebAuthn
}

// FactorKey seals what a stolen database, or a page on its way through a browser, must not tell or change. Context binds it to
// its use.
type FactorKey interface {
	Seal(plaintext, context []byte) ([]byte, error)
	Open(sealed, context []byte) ([]byte, error)
}

// NewFactors makes Factors for the website at a public address.
func NewFactors(publicURL string, key FactorKey) (*Factors, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("passkeys: public address %q is none", publicURL)
	}
	// As browsers write it, whatever was configured: what is signed is compared letter by letter.
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	origin := u.Scheme + "://" + host
	if u.Port() != "" {
		origin += ":" + u.Port()
	}
	required := true
	site, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "Hafen", RPOrigins: []string{origin},
		// A passkey logs in without anything else, so it must be found without a name, and its owner be verified by it.
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: &required,
			UserVerification: protocol.VerificationRequired,
		},
		// Which maker's device it is changes nothing here, and asking would cost a question in the browser.
		AttestationPreference: protocol.PreferNoAttestation,
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return &Factors{key: key, host: host, site: site}, nil
}

// Passkey is one of an account's.
type Passkey struct {
	ID        string
	Name      string
	CreatedAt time.Time
	UsedAt    time.Time // zero: never
	SignCount uint32
	Record    []byte // the credential record, as JSON
}

// PasskeyRequest is what a page asks the browser for.
type PasskeyRequest struct {
	Options   []byte // of navigator.credentials, as JSON
	Challenge string // sealed; goes back with the answer
}

// PasskeyAnswer is what the browser gave.
type PasskeyAnswer struct {
	Credential string // JSON
	Challenge  string
}

// PasskeyUse is a passkey that proved itself, as it is kept. It counts once: of two uses of one challenge, or of one value of
// the counter, one wins.
type PasskeyUse struct {
	ID        string
	Record    []byte
	SignCount uint32
	Challenge []byte // hash
	Until     time.Time
}

// ceremony is what a challenge is for, and in whose hands it is. One made for one cannot be answered in another.
type ceremony string

// The ceremonies. That of the login is nobody's yet.
const ceremonyLogIn ceremony = "log in" // without a password

func ceremonyAdd(s Session) ceremony { return ceremony("add " + s.Account.ID + " " + s.ID) } // a passkey to the account

func ceremonyProve(s Session) ceremony { return ceremony("prove " + s.Account.ID + " " + s.ID) } // that it is still the same person

func ceremonySecond(account Account, half string) ceremony { // after the password
	return ceremony("second " + account.ID + " " + hex.EncodeToString(HashToken(half)))
}

// challengeLifetime is how long a page may be open before somebody acts on it.
const challengeLifetime = 10 * time.Minute

// challenge travels sealed through the page, so that pages nobody acts on leave no rows.
type challenge struct {
	Expires time.Time
	Session *webauthn.SessionData
}

func (c ceremony) context() []byte { return []byte("passkey " + string(c)) }

func (f *Factors) request(c ceremony, now time.Time, options any, session *webauthn.SessionData) (PasskeyRequest, error) {
	plain, err := json.Marshal(challenge{Expires: now.Add(challengeLifetime), Session: session})
	if err != nil {
		return PasskeyRequest{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	sealed, err := f.key.Seal(plain, c.context())
	if err != nil {
		return PasskeyRequest{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	asked, err := json.Marshal(options)
	if err != nil {
		return PasskeyRequest{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return PasskeyRequest{Options: asked, Challenge: base64.RawURLEncoding.EncodeToString(sealed)}, nil
}

// openChallenge gives what a page was made with. Fault passkey.expired, also for what was not made here or for something else.
func (f *Factors) openChallenge(c ceremony, sealed string, now time.Time) (challenge, error) {
	expired := &tenant.Fault{Kind: tenant.Invalid, Code: "passkey.expired"}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return challenge{}, expired
	}
	plain, err := f.key.Open(raw, c.context())
	if err != nil {
		return challenge{}, expired
	}
	var opened challenge
	if err := json.Unmarshal(plain, &opened); err != nil || opened.Session == nil || now.After(opened.Expires) {
		return challenge{}, expired
	}
	return opened, nil
}

// keyOwner is an account as WebAuthn sees it.
type keyOwner struct {
	account     Account
	passkeys    []Passkey
	credentials []webauthn.Credential
}

func ownerOf(account Account, passkeys []Passkey) (keyOwner, error) {
	owner := keyOwner{account: account, passkeys: passkeys}
	for _, p := range passkeys {
		var c webauthn.Credential
		if err := json.Unmarshal(p.Record, &c); err != nil {
			return keyOwner{}, fmt.Errorf("read passkey %s: %w", p.ID, err)
		}
		c.Authenticator.SignCount = p.SignCount
		owner.credentials = append(owner.credentials, c)
	}
	return owner, nil
}

// WebAuthnID is the account's id, which tells nothing about the person.
func (o keyOwner) WebAuthnID() []byte                         { return []byte(o.account.ID) }
func (o keyOwner) WebAuthnName() string                       { return o.account.Email }
func (o keyOwner) WebAuthnDisplayName() string                { return o.account.Email }
func (o keyOwner) WebAuthnCredentials() []webauthn.Credential { return o.credentials }

// find gives the passkey a credential belongs to.
func (o keyOwner) find(c *webauthn.Credential) (Passkey, bool) {
	for i := range o.credentials {
		if string(o.credentials[i].ID) == string(c.ID) {
			return o.passkeys[i], true
		}
	}
	return Passkey{}, false
}

// errCopied says that a passkey's counter did not grow: somebody else may have a copy of it.
var errCopied = errors.New("the passkey's counter went back")

// verify checks an answer of a known account.
func (f *Factors) verify(opened challenge, owner keyOwner, credential string) (Passkey, PasskeyUse, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(credential))
	if err != nil {
		return Passkey{}, PasskeyUse{}, refusedPasskey(err)
	}
	var valid *webauthn.Credential
	if len(opened.Session.UserID) > 0 {
		valid, err = f.site.ValidateLogin(owner, *opened.Session, parsed)
	} else {
		same := func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != owner.account.ID {
				return nil, errors.New("another account's passkey")
			}
			return owner, nil
		}
		_, valid, err = f.site.ValidatePasskeyLogin(same, *opened.Session, parsed)
	}
	if err != nil {
		return Passkey{}, PasskeyUse{}, refusedPasskey(err)
	}
	passkey, ok := owner.find(valid)
	if !ok {
		return Passkey{}, PasskeyUse{}, refusedPasskey(errors.New("not one of the account's"))
	}
	// The signature is right and the counter is not: the one case in which the holder is told more, and the owner by mail.
	if valid.Authenticator.CloneWarning {
		return passkey, PasskeyUse{}, &tenant.Fault{Kind: tenant.Invalid, Code: "passkey.copied", Err: errCopied}
	}
	record, err := json.Marshal(valid)
	if err != nil {
		return Passkey{}, PasskeyUse{}, fmt.Errorf("write passkey %s: %w", passkey.ID, err)
	}
	return passkey, PasskeyUse{
		ID: passkey.ID, Record: record, SignCount: valid.Authenticator.SignCount,
		Challenge: opened.hash(), Until: opened.Expires,
	}, nil
}

func (c challenge) hash() []byte {
	hash := sha256.Sum256([]byte(c.Session.Challenge))
	return hash[:]
}

// refusedPasskey is the one answer to everything that is wrong with a passkey.
func refusedPasskey(err error) error {
	return &tenant.Fault{Kind: tenant.Invalid, Code: "passkey.refused", Err: err}
}
