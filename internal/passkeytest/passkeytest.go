// Package passkeytest is an authenticator in software: it makes and uses passkeys as a browser and a phone do together, and can
// be told to lie. Only for tests.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// Key is one passkey. Its fields may be changed to make it misbehave.
type Key struct {
	t        testing.TB
	Origin   string // of the page the browser says it was asked by
	ID       []byte
	User     []byte // handle
	Count    uint32 // the next answer says one more, unless Frozen
	Frozen   bool
	Verifies bool // its owner's finger, face or PIN
	private  *ecdsa.PrivateKey
}

// New makes a key for an origin, such as "https://hafen.test".
func New(t testing.TB, origin string) *Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &Key{t: t, Origin: origin, ID: id, Verifies: true, private: private}
}

// asked is what we need of the options of navigator.credentials.
type asked struct {
	Challenge string              `json:"challenge"`
	RPID      string              `json:"rpId"`
	RP        struct{ ID string } `json:"rp"`
	User      struct{ ID string } `json:"user"`
}

func (k *Key) read(options []byte) asked {
	k.t.Helper()
	var a asked
	if err := json.Unmarshal(options, &a); err != nil {
		k.t.Fatalf("options %s: %v", options, err)
	}
	return a
}

// Flags of authenticator data (WebAuthn section 6.1).
const (
	userPresent  = 0x01
	userVerified = 0x04
	attested     = 0x40
)

func (k *Key) data(rp string, flags byte) []byte {
	hash := sha256.Sum256([]byte(rp))
	flags |= userPresent
	if k.Verifies {
		flags |= userVerified
	}
	if !k.Frozen {
		k.Count++
	}
	return binary.BigEndian.AppendUint32(append(hash[:], flags), k.Count)
}

// Create answers navigator.credentials.create, with no attestation.
func (k *Key) Create(options []byte) string {
	k.t.Helper()
	a := k.read(options)
	user, err := base64.RawURLEncoding.DecodeString(a.User.ID)
	if err != nil {
		k.t.Fatal(err)
	}
	k.User = user
	data := k.data(a.RP.ID, attested)
	data = append(data, make([]byte, 16)...) // AAGUID: unknown
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.ID)))
	data = append(append(data, k.ID...), k.public()...)
	// {"fmt": "none", "attStmt": {}, "authData": data} in CBOR (RFC 8949).
	object := []byte{0xa3}
	object = append(object, cborText("fmt")...)
	object = append(object, cborText("none")...)
	object = append(object, cborText("attStmt")...)
	object = append(object, 0xa0)
	object = append(object, cborText("authData")...)
	object = append(object, cborBytes(data)...)
	return k.answer(map[string]string{
		"clientDataJSON": encode(k.clientData("webauthn.create", a.Challenge)), "attestationObject": encode(object),
	})
}

// Get answers navigator.credentials.get.
func (k *Key) Get(options []byte) string {
	k.t.Helper()
	a := k.read(options)
	data, client := k.data(a.RPID, 0), k.clientData("webauthn.get", a.Challenge)
	clientHash := sha256.Sum256(client)
	hash := sha256.Sum256(append(append([]byte{}, data...), clientHash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, hash[:])
	if err != nil {
		k.t.Fatal(err)
	}
	return k.answer(map[string]string{
		"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature), "userHandle": encode(k.User),
	})
}

func (k *Key) answer(response map[string]string) string {
	k.t.Helper()
	text, err := json.Marshal(map[string]any{
		"id": encode(k.ID), "rawId": encode(k.ID), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return string(text)
}

func (k *Key) clientData(kind, challenge string) []byte {
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.Origin, "crossOrigin": false})
	if err != nil {
		k.t.Fatal(err)
	}
	return text
}

// public is the public key as COSE writes it: {1: 2, 3: -7, -1: 1, -2: x, -3: y} (RFC 9053 sections 2.1 and 7.1).
func (k *Key) public() []byte {
	point, err := k.private.PublicKey.Bytes()
	if err != nil {
		k.t.Fatal(err)
	}
	key := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21}
	key = append(key, cborBytes(point[1:33])...)
	key = append(key, 0x22)
	return append(key, cborBytes(point[33:65])...)
}

func cborText(s string) []byte { return append(cborHead(0x60, len(s)), s...) }

func cborBytes(b []byte) []byte { return append(cborHead(0x40, len(b)), b...) }

// cborHead is a major type with a length below 65,536 (RFC 8949 section 3).
func cborHead(major byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{major | byte(n)}
	case n < 256:
		return []byte{major | 24, byte(n)}
	default:
		return []byte{major | 25, byte(n >> 8), byte(n)}
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
