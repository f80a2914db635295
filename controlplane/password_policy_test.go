package controlplane_test

import (
	"strings"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

// signUpFault tries a password at the sign-up of an address.
func signUpFault(t *testing.T, p *people, password string) string {
	t.Helper()
	err := p.SignUp(t.Context(), controlplane.SignUp{Email: "m.kowalczyk@seestern.example", Password: password, Address: home})
	if err == nil {
		p.exec(`delete from attempts`)
		return ""
	}
	fault := tenant.FaultOf(err)
	if fault.Kind != tenant.Invalid || fault.Field != "password" {
		t.Errorf("%q: fault %s of field %q", password, fault.Kind, fault.Field)
	}
	return fault.Code
}

func TestPasswordsThatAreRefused(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	for code, passwords := range map[string][]string{
		"password.short": {"", "elf Zeichen", "kurz", "ääääääääääb"},
		"password.long":  {strings.Repeat("lang und unsinnig. ", 11)},
		"password.common": {
			// Of the lists of leaked passwords, twelve characters and more.
			"123456789012", "1234567890123", "qwertyuiop12", "qwertyuiop[]", "1q2w3e4r5t6y", "1qaz2wsx3edc", "passwordpassword",
			"password1234", "Password123!", "P@ssw0rd1234", "qwerty123456", "iloveyou1234", "administrator", "letmeinletmein",
			"abcdefghijkl", "aaaaaaaaaaaa", "111111111111", "000000000000", "abcabcabcabc", "asdfghjklasdfghjkl", "changeme1234",
			"correcthorsebatterystaple", "unknownunknown", "michaeljackson1", "manchesterunited", "1234qwerasdf", "zaq12wsxcde3",
			"asdfasdfasdf", "121212121212", "987654321098", "thisismypassword", "iloveyou12345",
			// How people help themselves where a rule asks for more.
			"Passwort2024!", "Sommer2025!!!", "Hallo1234567", "hallo-hallo-hallo", "Schatz12345!", "ichliebedich1", "Qwertz123456",
			"qwertzuiopü+", "Geheim!Geheim!", "Berlin-Berlin-1", "01.01.1980-Anna", "AnnaMüller1985", "Fußball2006!", "trowssap1234",
			"P4$$w0rd!!!!", "Hafen-Hafen-2026", "hafen1234567", "MatrixServer1", "Willkommen2026", "drowssapdrowssap", "!@#$%^&*()_+",
			"............", "            ", "lalalalalala",
		},
		"password.contains_email": {
			"m.kowalczyk2", "kowalczyk1985!", "Kowalczyk-Kowalczyk", "seestern2026!", "m.kowalczyk@seestern.example", "K0walczyk1234",
		},
	} {
		for _, password := range passwords {
			if got := signUpFault(t, p, password); got != code {
				t.Errorf("%q: %q, want %s", password, got, code)
			}
		}
	}
}

func TestPasswordsThatAreTaken(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	for _, password := range []string{
		goodPassword, otherPassword, controlplane.GeneratePassword(), "xkvqmzhwtrpy", "zwölf Möwen!", "klammer regal nebel huhn",
		"дельфин в чашке", "静かな湖の朝に鳥が鳴く声", "7f3e9a1c5b8d", "kowalczyk und siebzehn krumme Nägel", strings.Repeat("lang und unsinnig. ", 10),
		"hafen, aber mit krummem Ankerspill",
	} {
		if got := signUpFault(t, p, password); got != "" {
			t.Errorf("%q is refused: %s", password, got)
		}
	}
}
