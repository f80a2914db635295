// Package totptest is an authenticator app (RFC 6238) of its own, so that tests do not agree with a mistake of ours. Only for tests.
package totptest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Code is what the app shows at a moment. The secret is base32 as the page says it, in groups or not.
func Code(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(strings.Join(strings.Fields(secret), ""))
	if err != nil || len(key) == 0 {
		t.Fatalf("the secret %q is none: %v", secret, err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[19]&15:]) & (1<<31 - 1)
	return fmt.Sprintf("%06d", n%1000000)
}
