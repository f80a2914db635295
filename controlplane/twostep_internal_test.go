package controlplane

import (
	"testing"
	"time"
)

// TestCodesOfTheStandard: RFC 6238 appendix B gives eight digits; six are their end.
func TestCodesOfTheStandard(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for seconds, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := codeOf(secret, seconds/codePeriod); got != want {
			t.Errorf("at %d: %s, want %s", seconds, got, want)
		}
	}
}

func TestCodesAndClocks(t *testing.T) {
	t.Parallel()
	secret, now := []byte("12345678901234567890"), time.Unix(1_800_000_000, 0)
	current := now.Unix() / codePeriod
	for off, right := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		step, ok := stepOf(secret, codeOf(secret, current+off), now, 0)
		if ok != right || ok && step != current+off {
			t.Errorf("a clock %d steps off: %v, step %d", off, ok, step-current)
		}
	}
	for last, right := range map[int64]bool{current - 1: true, current: false, current + 1: false} {
		if _, ok := stepOf(secret, codeOf(secret, current), now, last); ok != right {
			t.Errorf("after a code of step %d: %v", last-current, ok)
		}
	}
	for _, wrong := range []string{"", "12345", "1234567", "abcdef", codeOf(secret, current) + "0"} {
		if _, ok := stepOf(secret, wrong, now, 0); ok {
			t.Errorf("%q is right", wrong)
		}
	}
}

func TestRecoveryCodesAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	want := string(hashRecoveryCode("a", "abcdefghobl2345a"))
	for _, typed := range []string{"abcd-efgh-obl2-345a", " ABCD EFGH OBL2 345A ", "abcdefgh0812345a"} {
		if string(hashRecoveryCode("a", typed)) != want {
			t.Errorf("%q is another code", typed)
		}
	}
	if string(hashRecoveryCode("b", "abcdefghobl2345a")) == want {
		t.Error("a code of one account is one of another's")
	}
	codes, hashes := newRecoveryCodes("a")
	seen := map[string]bool{}
	for i, code := range codes {
		if len(code) != 19 || seen[code] || string(hashRecoveryCode("a", code)) != string(hashes[i]) {
			t.Errorf("code %q", code)
		}
		seen[code] = true
	}
	if len(codes) != 10 {
		t.Errorf("%d codes", len(codes))
	}
}
