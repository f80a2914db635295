package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-acme/lego/v4/acme"
	"github.com/go-acme/lego/v4/acme/api"
)

// Account is our account with one authority. KeyPEM is a secret.
type Account struct {
	Email        string
	KeyPEM       []byte
	Registration json.RawMessage // a JSON object of what the authority said; {} until it did
}

// Accounts keeps one account for each directory.
type Accounts interface {
	// Load reports false where there is none.
	Load(ctx context.Context, directory string) (Account, bool, error)
	// Store keeps the account. It never replaces the key of an account that is there: the first key wins and the rest of a later
	// call is kept beside it, except that the Registration {} does not replace one. Losing is no error; Load tells who won.
	Store(ctx context.Context, directory string, a Account) error
}

// registration is what we keep of the authority's answer. The URL names the account in every later request.
type registration struct {
	URL string `json:"url"`
}

// accountCache spares a read of the store for every order.
type accountCache struct {
	turn chan struct{} // holds a token while free; a mutex that a context can leave
	key  *ecdsa.PrivateKey
	url  string
}

func newAccountCache() accountCache {
	c := accountCache{turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// forget makes the next use register again, unless that has happened since.
func (c *accountCache) forget(url string) {
	<-c.turn
	if c.url == url {
		c.url = ""
	}
	c.turn <- struct{}{}
}

// signer speaks for the account within one Issue.
type signer struct {
	core         *api.Core
	registration string
}

// useAccount finds the account or makes it. The key is stored before the authority hears of it, and registering a key twice
// yields the same account (RFC 8555 section 7.3.1): whoever comes second, or comes back after a crash, ends with the
// account of the key that was stored first.
func (i *Issuer) useAccount(ctx context.Context, wire *boundTransport) (signer, error) {
	key, url, err := i.findAccount(ctx, wire)
	if err != nil {
		return signer{}, err
	}
	core, err := i.core(wire, key, url)
	return signer{core: core, registration: url}, err
}

// findAccount lets one caller at a time find or make the account; the others wait and then have it.
func (i *Issuer) findAccount(ctx context.Context, wire *boundTransport) (*ecdsa.PrivateKey, string, error) {
	cached := &i.account
	select {
	case <-ctx.Done():
		return nil, "", ctx.Err()
	case <-cached.turn:
	}
	defer func() { cached.turn <- struct{}{} }()

	if cached.key == nil {
		kept, err := i.loadOrCreate(ctx)
		if err != nil {
			return nil, "", err
		}
		key, err := parseKey(kept.KeyPEM)
		if err != nil {
			return nil, "", fmt.Errorf("read the stored account key for %s: %w", i.config.Directory, err)
		}
		var known registration
		if json.Unmarshal(kept.Registration, &known) == nil { // unreadable is as good as absent: registering again is harmless
			cached.url = known.URL
		}
		cached.key = key
	}
	if cached.url == "" {
		core, err := i.core(wire, cached.key, "")
		if err != nil {
			return nil, "", err
		}
		if cached.url, err = i.register(ctx, core, cached.key); err != nil {
			return nil, "", err
		}
	}
	return cached.key, cached.url, nil
}

func (i *Issuer) core(wire *boundTransport, key *ecdsa.PrivateKey, account string) (*api.Core, error) {
	core, err := api.New(&http.Client{Transport: wire}, "hafen", i.config.Directory, account, key)
	if err != nil {
		return nil, fmt.Errorf("read the directory: %w", err)
	}
	return core, nil
}

func (i *Issuer) loadOrCreate(ctx context.Context) (Account, error) {
	kept, ok, err := i.config.Accounts.Load(ctx, i.config.Directory)
	if err != nil {
		return Account{}, &portError{"load the account", err}
	}
	if ok {
		return kept, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Account{}, fmt.Errorf("make an account key: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Account{}, err
	}
	fresh := Account{Email: i.config.Email, KeyPEM: keyPEM, Registration: json.RawMessage("{}")}
	if err := i.config.Accounts.Store(ctx, i.config.Directory, fresh); err != nil {
		return Account{}, &portError{"store the account key", err}
	}
	kept, ok, err = i.config.Accounts.Load(ctx, i.config.Directory)
	if err == nil && !ok {
		err = errors.New("it is not there")
	}
	if err != nil {
		return Account{}, &portError{"load the account just stored", err}
	}
	return kept, nil
}

func (i *Issuer) register(ctx context.Context, core *api.Core, key *ecdsa.PrivateKey) (string, error) {
	request := acme.Account{TermsOfServiceAgreed: true}
	if i.config.Email != "" {
		request.Contact = []string{"mailto:" + i.config.Email}
	}
	made, err := core.Accounts.New(request)
	if err != nil {
		return "", fmt.Errorf("register the account: %w", err)
	}
	if made.Location == "" {
		return "", errors.New("register the account: the authority gave no address for it")
	}
	body, err := json.Marshal(registration{URL: made.Location})
	if err != nil {
		return "", err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return "", err
	}
	err = i.config.Accounts.Store(ctx, i.config.Directory, Account{Email: i.config.Email, KeyPEM: keyPEM, Registration: body})
	if err != nil {
		return "", &portError{"store the registration", err}
	}
	return made.Location, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("no PKCS #8 key") // the parser's words could quote it
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not ECDSA P-256")
	}
	return key, nil
}
