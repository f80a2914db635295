package templates

import (
	"strings"
	"testing"
)

func TestQR(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := QR("https://hafen.localhost/join?token=abc", `scan <"me">`).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	picture := b.String()
	// Version 3 has 29 modules a side, and the margin of 4 on each.
	for _, want := range []string{`viewBox="0 0 37 37"`, `aria-label="scan &lt;&#34;me&#34;&gt;"`, `M4 4h7v1h-7z`} {
		if !strings.Contains(picture, want) {
			t.Errorf("picture lacks %s:\n%s", want, picture)
		}
	}
	if err := QR(strings.Repeat("x", 5000), "").Render(t.Context(), &b); err == nil {
		t.Error("drew a text that fits into no code")
	}
}
