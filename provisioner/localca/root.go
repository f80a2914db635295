package localca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	keyFile         = "root.key"
	certificateFile = "root.crt"
)

// Open loads the authority kept in dir, or makes it when dir holds neither of its files. dir is made if absent.
// Safe against other processes that open the same dir, and against being killed at any point.
func Open(dir string) (*CA, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the private CA: %w", err)
	}
	ca, err := load(dir)
	if errors.Is(err, errNone) {
		if err = create(dir); err == nil {
			ca, err = load(dir)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the private CA in %s: %w", dir, err)
	}
	return ca, nil
}

var errNone = errors.New("no root yet")

// load reads root.crt before root.key: they appear in the other order, so a root.crt seen means a root.key there.
func load(dir string) (*CA, error) {
	copied, err := readIfThere(filepath.Join(dir, certificateFile))
	if err != nil {
		return nil, err
	}
	kept, err := readIfThere(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	switch {
	case kept == nil && copied == nil:
		return nil, errNone
	case kept == nil:
		return nil, fmt.Errorf("%s is there and %s is gone: put it back from a backup, or remove %s to begin with a new root that everybody must trust anew",
			certificateFile, keyFile, certificateFile)
	}
	ca, err := decode(kept)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged, put it back from a backup: %w", keyFile, err)
	}
	switch {
	case copied == nil: // a crash between the two files, or a hand that removed a copy
		return ca, place(dir, certificateFile, ca.RootPEM(), 0o644, os.Rename)
	case !bytes.Equal(copied, ca.RootPEM()):
		return nil, fmt.Errorf("%s is not the certificate in %s: find out which is yours, and remove %s if it is the other",
			certificateFile, keyFile, certificateFile)
	}
	return ca, nil
}

// create writes root.key unless another process did; load writes root.crt.
func create(dir string) error {
	ca, err := newRoot(time.Now())
	if err != nil {
		return err
	}
	keyPEM, err := encodeKey(ca.key)
	if err != nil {
		return err
	}
	err = place(dir, keyFile, append(keyPEM, ca.RootPEM()...), 0o600, os.Link)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// place writes a file beside its place and then moves it there by the given call, so that nobody sees half of it.
func place(dir, name string, content []byte, mode fs.FileMode, move func(from, to string) error) error {
	f, err := os.CreateTemp(dir, "."+name+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after a rename
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := move(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDirectory(dir)
}

// syncDirectory makes the new name itself survive a power cut.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readIfThere(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}

func decode(b []byte) (*CA, error) {
	keyBlock, rest := pem.Decode(b)
	if keyBlock == nil || keyBlock.Type != "PRIVATE KEY" {
		return nil, errors.New("no private key in it")
	}
	certBlock, _ := pem.Decode(rest)
	if certBlock == nil || certBlock.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, errors.New("the private key cannot be read") // the parser's words could quote the key
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("the private key is not ECDSA P-256")
	}
	root, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if !root.IsCA || !key.PublicKey.Equal(root.PublicKey) {
		return nil, errors.New("key and certificate do not belong together")
	}
	return &CA{key: key, root: root}, nil
}
