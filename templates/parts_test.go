package templates

import (
	"slices"
	"strings"
	"testing"

	"hafen/templates/i18n"
)

func TestComplaintsLeaveNothingUnsaid(t *testing.T) {
	t.Parallel()
	form := Form{Errors: map[string]Problem{
		"password": {Code: "password.short"}, "email": {Code: "email.invalid"}, "elsewhere": {Code: "seats.full"}, "fine": {},
	}}
	l := i18n.For("en")
	got := complaints(l, form, []field{{Name: "email", Label: "E-mail"}, {Name: "password", ID: "pw", Label: "Password"}})
	want := []complaint{
		{Text: l.Error("seats.full", nil)},
		{"E-mail", "email", l.Error("email.invalid", nil)},
		{"Password", "pw", l.Error("password.short", nil)},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestPasswordsAreNotWrittenBack(t *testing.T) {
	t.Parallel()
	form := Form{Values: map[string]string{"password": "hunter2hunter2", "email": "a@b.c"}}
	if v := (field{Name: "password", Type: "password"}).value(form); v != "" {
		t.Errorf("password field shows %q", v)
	}
	if v := (field{Name: "email", Type: "email"}).value(form); v != "a@b.c" {
		t.Errorf("e-mail field shows %q", v)
	}
}

func TestLinkified(t *testing.T) {
	t.Parallel()
	got := linkified("Open:\nhttps://hafen.localhost:8443/verify?token=a_b-c\n\nor http://x.localhost. <b>")
	want := []mailPart{
		{Text: "Open:\n"},
		{URL: "https://hafen.localhost:8443/verify?token=a_b-c"},
		{Text: "\n\nor "},
		{URL: "http://x.localhost."},
		{Text: " <b>"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if plain := linkified("no address"); !slices.Equal(plain, []mailPart{{Text: "no address"}}) {
		t.Errorf("got %+v", plain)
	}
}

func TestShownStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ status, failure, want string }{
		{StatusActive, "", StatusActive},
		{StatusActive, "disk_full", statusFailed},
		{StatusProvisioning, "disk_full", statusFailed},
		{StatusSuspended, "disk_full", StatusSuspended}, // what was decided matters more than what failed
		{StatusDeleting, "disk_full", StatusDeleting},
	} {
		if got := shownStatus(c.status, c.failure); got != c.want {
			t.Errorf("%s with %q shows %s, want %s", c.status, c.failure, got, c.want)
		}
	}
}

func TestSharesAreKeptInBounds(t *testing.T) {
	t.Parallel()
	if share(5, 0) != 0 || percent(1.7) != "100" || percent(-1) != "0" || percent(0.999) != "99" {
		t.Error("a share leaves its bounds")
	}
	if shareTone(0.79) != ToneInfo || shareTone(0.8) != ToneWarn || shareTone(1) != ToneBad {
		t.Error("the marks are not at 80 and 100 per cent")
	}
}

func TestDomainSummaryCountsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	l := i18n.For("en")
	vm := Domain{
		Records: []DomainRecord{
			{State: RecordFound}, {State: RecordMissing, Optional: true}, {State: RecordWrong, Optional: true}, {State: RecordPending},
		},
		WellKnown: []WellKnown{{State: RecordFound}},
	}
	if got := domainSummary(l, vm); got != "2 of 4 records found" {
		t.Errorf("got %q", got)
	}
}

func TestCodeNobodyKnowsHasWords(t *testing.T) {
	t.Parallel()
	l := i18n.For("en")
	if got := failureText(l, Failure{Status: 404, Code: "no.such.code"}); got != l.T("http.404") {
		t.Errorf("got %q", got)
	}
	if got := failureText(l, Failure{Status: 599}); got != l.T("http.500") {
		t.Errorf("got %q", got)
	}
	if got := failureText(l, Failure{Status: 404, Code: "tenant.unknown"}); got != l.Error("tenant.unknown", nil) {
		t.Errorf("got %q", got)
	}
}

// Whoever is refused a seat is led to more of them.
func TestARefusedSeatLeadsToMore(t *testing.T) {
	t.Parallel()
	l := i18n.For("en")
	for code, want := range map[string]bool{"seats.full": true, "seats.too_few": true, "email.invalid": false} {
		form := Form{Errors: map[string]Problem{"": {Code: code}}, PlanURL: "/servers/t7k2m9/plan"}
		var html strings.Builder
		if err := summary(l, form, nil).Render(t.Context(), &html); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(html.String(), `href="/servers/t7k2m9/plan"`); got != want {
			t.Errorf("%s: %s", code, html.String())
		}
	}
}
