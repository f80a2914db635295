package database

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// PostgreSQL's own number (SCRAM_SHA_256_DEFAULT_ITERATIONS). The passwords are 256 random bits, so it guards nothing.
const scramIterations = 4096

// scramVerifier is what PostgreSQL keeps of a password (RFC 5803 as PostgreSQL writes it). Computed here, so that the
// password itself is in no statement and thus in no log of the server's.
func scramVerifier(password []byte) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	return scramVerifierSalted(password, salt)
}

func scramVerifierSalted(password, salt []byte) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, string(password), salt, scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive the key of a password: %w", err)
	}
	clientKey := mac(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s",
		scramIterations, encode(salt), encode(storedKey[:]), encode(mac(salted, "Server Key"))), nil
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
