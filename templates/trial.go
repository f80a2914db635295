package templates

import (
	"regexp"
	"time"
)

// TrialMail is one kept mail.
type TrialMail struct {
	ID      string
	At      time.Time
	To      string
	Subject string
	Text    string // http and https addresses in it become links
	HTMLURL string // where the HTML body is served alone, "" for none
}

// TrialMails is /trial/mails: newest first.
type TrialMails struct {
	Mails []TrialMail
	Pager Pager
}

// TrialCertificate is /trial/certificate: the CA of this trial and how to trust it.
type TrialCertificate struct {
	DownloadURL string // PEM
	Fingerprint string // SHA-256, upper-case hex with colons
	NotAfter    time.Time
	FileName    string
}

// mailPart is a stretch of a mail's text: plain, or an address to follow.
type mailPart struct{ Text, URL string }

// addresses in our own mails end at a blank or an angle bracket.
var address = regexp.MustCompile(`https?://[^\s<>"]+`)

func linkified(text string) []mailPart {
	var parts []mailPart
	rest := 0
	for _, at := range address.FindAllStringIndex(text, -1) {
		if at[0] > rest {
			parts = append(parts, mailPart{Text: text[rest:at[0]]})
		}
		parts = append(parts, mailPart{URL: text[at[0]:at[1]]})
		rest = at[1]
	}
	return append(parts, mailPart{Text: text[rest:]})
}

// trustStep is how to trust the CA in one place.
type trustStep struct{ ID, Name, Text, Command string }

func trustSteps(l Locale, file string) []trustStep {
	return []trustStep{
		{"firefox", "Firefox", l.T("trial.ca.firefox", "File", file), ""},
		{"chrome", l.T("trial.ca.chrome.name"), l.T("trial.ca.chrome", "File", file), "certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n Hafen -i " + file},
		{"debian", "Debian, Ubuntu", l.T("trial.ca.debian"), "sudo cp " + file + " /usr/local/share/ca-certificates/hafen-trial.crt && sudo update-ca-certificates"},
		{"windows", "Windows", l.T("trial.ca.windows", "File", file), "certutil -user -addstore Root " + file},
		{"macos", "macOS", l.T("trial.ca.macos"), "security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db " + file},
		{"android", "Android", l.T("trial.ca.android"), ""},
	}
}
