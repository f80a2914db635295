package controlplane

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"hafen/tenant"
)

const (
	recoveryCodes = 10
	// 80 bits: nobody guesses that, not even with a stolen table and a fast hash.
	recoveryBytes = 10
)

// newRecoveryCodes draws codes as people write them down, and their hashes.
func newRecoveryCodes(account string) (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		var b [recoveryBytes]byte
		rand.Read(b[:]) // ends the process rather than return an error
		text := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
		codes = append(codes, strings.ReplaceAll(grouped(text), " ", "-"))
		hashes = append(hashes, hashRecoveryCode(account, text))
	}
	return codes, hashes
}

// hashRecoveryCode hashes a code as it was typed: case, spaces and hyphens do not matter, nor digits that are no part of the
// alphabet (RFC 4648 section 6) but look like letters of it. With the account, so that one guess tries one account.
func hashRecoveryCode(account, typed string) []byte {
	plain := strings.NewReplacer("0", "o", "1", "l", "8", "b", " ", "", "-", "", "\u00a0", "").Replace(strings.ToLower(typed))
	hash := sha256.Sum256([]byte("recovery " + account + " " + plain))
	return hash[:]
}

// RenewRecoveryCodes makes ten new codes; the old ones are useless from then on. Shown once, kept as hashes. Fault: twostep.none.
func (a *Accounts) RenewRecoveryCodes(ctx context.Context, s Session) ([]string, error) {
	n, codes, err := a.newFactor(s, SecurityMail{Which: SecurityCodesRenewed})
	if err != nil {
		return nil, err
	}
	if err := a.Store.ReplaceRecoveryCodes(ctx, n); err != nil {
		return nil, noFactor("make new recovery codes", err)
	}
	return codes, nil
}

// newFactor draws the recovery codes of a new second step and writes its mail.
func (a *Accounts) newFactor(s Session, mail SecurityMail) (FactorChange, []string, error) {
	mail.Address = s.Address
	m, err := a.security(s.Account, mail)
	if err != nil {
		return FactorChange{}, nil, err
	}
	codes, hashes := newRecoveryCodes(s.Account.ID)
	n := factorChange(s, m)
	n.Codes = hashes
	return n, codes, nil
}

// trimmed is what somebody typed, without space around it and not longer than a row should hold.
func trimmed(s string, most int) string { return strings.TrimSpace(clip(strings.TrimSpace(s), most)) }

// usedUp makes the errors of a login whose second step, or whose half login, was used up meanwhile those it would have had.
func usedUp(err error, second SecondStep) error {
	switch {
	case errors.Is(err, ErrTaken):
		return wrongSecond(second, err)
	case errors.Is(err, ErrNoSession):
		return &tenant.Fault{Kind: tenant.Unauthenticated, Code: "login.expired", Err: err}
	default:
		return fmt.Errorf("log in: %w", err)
	}
}
