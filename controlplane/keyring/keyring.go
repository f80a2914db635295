// Package keyring holds the keys that are not in the database.
//
// Four of them, each in a Tink keyset file, made at once when there are none:
//
//   - secrets seals what belongs to tenants: signing keys, passwords, registration secrets;
//   - edge seals the keys of certificates, and the edge's copy of what it serves;
//   - mailbox is a pair. Web has the public half and seals members' passwords to the control plane, which alone has the
//     private half: a web process that was taken over reads no password that went by before;
//   - factors seals the secrets of authenticator apps, and the challenges of passkeys on their way through a page. Web has it
//     and nobody else, because web is who compares a code: it sees every password that is typed anyway. What the key is for is
//     the stolen database, which holds no second factor that could be used. It is none of the tenants' keys, so that web opens
//     nothing else with it.
//
// Every ciphertext is bound to a context (see [Context]), so that a row copied into another's place opens as nothing.
//
// The files are not encrypted themselves: whoever starts Hafen unattended would have to store the key to them beside them.
// The mode 0600 and the directory's 0700 guard them, and a file that others may read is refused. Back them up apart from the
// database: neither opens anything without the other.
//
// Invariant: keys are never made while any are there. A directory with some files missing is an error, because a new key
// would make what the lost one sealed look like damage. A crash while making them leaves a directory "keys.new-*" beside
// it, which nothing reads. The one exception is factors, which came later: it is added to a directory that has all others. Who
// loses it loses little: passkeys and recovery codes work without it, and an operator resets the rest.
package keyring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/hybrid"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// The files of a key directory.
const (
	fileSecrets = "secrets.json"
	fileEdge    = "edge.json"
	filePrivate = "mailbox.private.json"
	filePublic  = "mailbox.public.json"
	fileFactors = "factors.json"
)

// firstFiles are those no directory is without.
var firstFiles = []string{fileSecrets, fileEdge, filePrivate, filePublic}

// Key seals and opens.
type Key struct{ aead tink.AEAD }

// Seal encrypts plaintext, bound to context.
func (k *Key) Seal(plaintext, context []byte) ([]byte, error) {
	sealed, err := k.aead.Encrypt(plaintext, context)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open decrypts what Seal made with the same context.
func (k *Key) Open(sealed, context []byte) ([]byte, error) {
	plaintext, err := k.aead.Decrypt(sealed, context)
	if err != nil {
		return nil, fmt.Errorf("open what was sealed: %w", err)
	}
	return plaintext, nil
}

// Slot is the public half of the mailbox: what goes in, only the control plane gets out.
type Slot struct{ public tink.HybridEncrypt }

// SealMail encrypts plaintext for the control plane, bound to context.
func (s *Slot) SealMail(plaintext, context []byte) ([]byte, error) {
	sealed, err := s.public.Encrypt(plaintext, context)
	if err != nil {
		return nil, fmt.Errorf("seal for the control plane: %w", err)
	}
	return sealed, nil
}

// Mailbox is the private half, with the public one.
type Mailbox struct {
	Slot
	private tink.HybridDecrypt
}

// OpenMail decrypts what SealMail made with the same context.
func (m *Mailbox) OpenMail(sealed, context []byte) ([]byte, error) {
	plaintext, err := m.private.Decrypt(sealed, context)
	if err != nil {
		return nil, fmt.Errorf("open what was sealed for the control plane: %w", err)
	}
	return plaintext, nil
}

// Controlplane is the keys of the control plane: all but those of second factors, for which it has no use.
type Controlplane struct {
	Secrets *Key
	Edge    *Key
	Mailbox *Mailbox
}

// OpenControlplane reads all keys in dir, and makes them when dir is missing or empty. Two processes may do so at once:
// both end up with the same keys.
func OpenControlplane(dir string) (*Controlplane, error) {
	if err := ensure(dir); err != nil {
		return nil, err
	}
	secrets, err := openKey(dir, fileSecrets)
	if err != nil {
		return nil, err
	}
	edge, err := openKey(dir, fileEdge)
	if err != nil {
		return nil, err
	}
	mailbox, err := openMailbox(dir)
	if err != nil {
		return nil, err
	}
	return &Controlplane{Secrets: secrets, Edge: edge, Mailbox: mailbox}, nil
}

// Web is the keys of web, the only ones it may have.
type Web struct {
	*Slot
	Factors *Key
}

// OpenWeb reads the public half of the mailbox and the key of second factors. It never makes one.
func OpenWeb(dir string) (*Web, error) {
	slot, err := openSlot(dir)
	if err != nil {
		return nil, err
	}
	factors, err := openKey(dir, fileFactors)
	if err != nil {
		return nil, err
	}
	return &Web{Slot: slot, Factors: factors}, nil
}

func openSlot(dir string) (*Slot, error) {
	handle, err := read(dir, filePublic)
	if err != nil {
		return nil, err
	}
	public, err := hybrid.NewHybridEncrypt(handle)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", filepath.Join(dir, filePublic), err)
	}
	return &Slot{public}, nil
}

// OpenEdge reads the edge's key, the only one it may have. It never makes one.
func OpenEdge(dir string) (*Key, error) { return openKey(dir, fileEdge) }

// Context joins the parts that name a row, so that no two lists of parts give the same bytes.
func Context(parts ...string) []byte {
	var b []byte
	for _, part := range parts {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

func openKey(dir, file string) (*Key, error) {
	handle, err := read(dir, file)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", filepath.Join(dir, file), err)
	}
	return &Key{primitive}, nil
}

func openMailbox(dir string) (*Mailbox, error) {
	handle, err := read(dir, filePrivate)
	if err != nil {
		return nil, err
	}
	private, err := hybrid.NewHybridDecrypt(handle)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", filepath.Join(dir, filePrivate), err)
	}
	slot, err := openSlot(dir)
	if err != nil {
		return nil, err
	}
	m := &Mailbox{Slot: *slot, private: private}
	// Halves of different pairs would lose every password on its way: find out now.
	probe, err := m.SealMail([]byte("probe"), nil)
	if err != nil {
		return nil, err
	}
	if _, err := m.OpenMail(probe, nil); err != nil {
		return nil, fmt.Errorf("%s and %s in %s are halves of different pairs", filePrivate, filePublic, dir)
	}
	return m, nil
}

// read loads a keyset file that only its owner can read; the public one may be readable by all.
func read(dir, file string) (*keyset.Handle, error) {
	path := filepath.Join(dir, file)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(dir, file, err)
	}
	if err != nil {
		return nil, fmt.Errorf("look at key file: %w", err)
	}
	// The mode is all that guards the key.
	if file != filePublic && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key file %s is open to others (mode %04o): chmod 600 it, and think about who may have read it",
			path, info.Mode().Perm())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	reader := keyset.NewJSONReader(bytes.NewReader(content))
	var handle *keyset.Handle
	if file == filePublic {
		handle, err = keyset.ReadWithNoSecrets(reader)
	} else {
		handle, err = insecurecleartextkeyset.Read(reader)
	}
	if err != nil {
		return nil, fmt.Errorf("read key file %s: %w", path, err)
	}
	return handle, nil
}

func missing(dir, file string, err error) error {
	return fmt.Errorf("key file %s is missing: bring %s back from a backup, or copy it from the control plane's keys (no new key is made, "+
		"because it could not open what the old one sealed): %w", filepath.Join(dir, file), file, err)
}
