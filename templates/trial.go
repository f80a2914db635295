package templates

import "time"

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
