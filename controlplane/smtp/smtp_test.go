package smtp_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/smtp"
	"hafen/internal/smtptest"
)

var sample = controlplane.OutboxMail{
	ID: 7, MessageID: "3b241101-e2bb-4255-8caf-4136c566a962", CreatedAt: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
	Mail: controlplane.Mail{To: "anna@example.org", MailText: controlplane.MailText{
		Subject: "Bestätige deine Adresse", Text: "Schönen Tag\n.\n..\nhttps://hafen.example/verify?token=" + strings.Repeat("ab=", 60),
		HTML: "<p>Schönen Tag</p>",
	}},
}

func sender(t *testing.T, s *smtptest.Server, change func(*smtp.Config)) *smtp.Sender {
	t.Helper()
	config := smtp.Config{
		Host: s.Host, Port: s.Port, Encryption: smtp.StartTLS, From: "Hafen Möwe <noreply@hafen.example>", Roots: s.Roots,
		Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&config)
	}
	made, err := smtp.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAMailArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{Username: "hafen", Password: "geheim"})
	to := sender(t, s, func(c *smtp.Config) { c.Username, c.Password = "hafen", "geheim" })
	if err := to.Send(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	taken := s.Mails()
	if len(taken) != 1 || taken[0].From != "noreply@hafen.example" || taken[0].To != "anna@example.org" || !taken[0].TLS || taken[0].Username != "hafen" {
		t.Fatalf("taken: %+v", taken)
	}
	message, err := mail.ReadMessage(strings.NewReader(taken[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	decode := func(header string) string {
		text, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get(header))
		if err != nil {
			t.Error(err)
		}
		return text
	}
	for header, want := range map[string]string{
		"Subject": sample.Subject, "From": `"Hafen Möwe" <noreply@hafen.example>`, "To": "<anna@example.org>",
		"Message-ID": "<3b241101-e2bb-4255-8caf-4136c566a962@hafen.example>", "Auto-Submitted": "auto-generated",
		"Date": "Mon, 04 May 2026 03:02:01 +0000",
	} {
		if got := decode(header); strings.ReplaceAll(got, `"`, "") != strings.ReplaceAll(want, `"`, "") {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	parts := partsOf(t, message)
	if got := strings.ReplaceAll(parts["text/plain"], "\r\n", "\n"); strings.TrimRight(got, "\n") != sample.Text {
		t.Errorf("text %q", got)
	}
	if got := strings.TrimSpace(parts["text/html"]); got != sample.HTML {
		t.Errorf("HTML %q", got)
	}
}

func partsOf(t *testing.T, message *mail.Message) map[string]string {
	t.Helper()
	kind, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %s, %v", kind, err)
	}
	parts := make(map[string]string)
	reader := multipart.NewReader(message.Body, parameters["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("part %v, %v", part.Header, err)
		}
		content, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		parts[kind] = string(content)
	}
}

func TestEncryption(t *testing.T) {
	t.Parallel()
	implicit := smtptest.New(t, smtptest.Config{TLS: smtptest.Implicit})
	if err := sender(t, implicit, func(c *smtp.Config) { c.Encryption = smtp.Implicit }).Send(t.Context(), sample); err != nil {
		t.Error(err)
	}
	plain := smtptest.New(t, smtptest.Config{TLS: smtptest.Plain})
	if err := sender(t, plain, func(c *smtp.Config) { c.Encryption = smtp.None }).Send(t.Context(), sample); err != nil {
		t.Error(err)
	}
	if len(implicit.Mails()) != 1 || len(plain.Mails()) != 1 {
		t.Error("a mail was not taken")
	}
	// A server, or somebody between, that does not offer STARTTLS gets nothing in clear text.
	if err := sender(t, plain, nil).Send(t.Context(), sample); err == nil || len(plain.Mails()) != 1 {
		t.Errorf("sent without encryption: %v", err)
	}
	// Nor does one with a certificate nobody vouches for.
	s := smtptest.New(t, smtptest.Config{Username: "hafen", Password: "geheim"})
	err := sender(t, s, func(c *smtp.Config) { c.Roots, c.Username, c.Password = nil, "hafen", "geheim" }).Send(t.Context(), sample)
	if err == nil || len(s.Mails()) != 0 || strings.Contains(strings.Join(s.Commands(), " "), "AUTH") {
		t.Errorf("sent to a stranger: %v, %v", err, s.Commands())
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at      smtptest.Point
		reply   string
		forGood bool
	}{
		{smtptest.AtConnect, "421 4.3.2 going down", false},
		{smtptest.AtConnect, smtptest.Drop, false},
		{smtptest.AtAuth, "535 5.7.8 wrong", false}, // the operator can mend it
		{smtptest.AtMail, "451 4.3.0 later", false},
		{smtptest.AtMail, "550 5.1.8 your domain does not exist", false}, // so is the sender
		{smtptest.AtRcpt, "450 4.2.1 greylisted", false},
		{smtptest.AtRcpt, "550 5.1.1 no such user", true},
		{smtptest.AtRcpt, "554 5.7.1 relay access denied", false},
		{smtptest.AtRcpt, smtptest.Drop, false},
		{smtptest.AtData, "451 4.3.0 later", false},
		{smtptest.AtData, "554 5.5.0 no", true},
		{smtptest.AtBody, "452 4.3.1 disk full", false},
		{smtptest.AtBody, "552 5.3.4 too big", true},
		{smtptest.AtBody, smtptest.Drop, false},
		{smtptest.InBody, smtptest.Drop, false},
	} {
		t.Run(string(c.at)+" "+c.reply, func(t *testing.T) {
			t.Parallel()
			s := smtptest.New(t, smtptest.Config{Username: "hafen", Password: "geheim-9431"})
			s.Fail(c.at, c.reply)
			to := sender(t, s, func(c *smtp.Config) { c.Username, c.Password = "hafen", "geheim-9431" })
			err := to.Send(t.Context(), sample)
			if err == nil {
				t.Fatal("no error")
			}
			if _, forGood := errors.AsType[*controlplane.MailRefused](err); forGood != c.forGood {
				t.Errorf("refused for good: %v (%v)", forGood, err)
			}
			if len(s.Mails()) != 0 {
				t.Error("the mail was taken")
			}
			for _, secret := range []string{"geheim-9431", "Z2VoZWltLTk0MzE", "token="} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("a secret in the error: %v", err)
				}
			}
			if err := to.Send(t.Context(), sample); err != nil || len(s.Mails()) != 1 {
				t.Errorf("the next attempt: %v", err)
			}
		})
	}
}

// An error after the server took the mail would send it twice.
func TestAConversationThatEndsBadlyAfterTheMailIsFine(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{})
	for _, reply := range []string{smtptest.Drop, "421 4.3.0 bye", "554 5.0.0 no"} {
		s.Fail(smtptest.AtQuit, reply)
		if err := sender(t, s, nil).Send(t.Context(), sample); err != nil {
			t.Error(err)
		}
	}
	if len(s.Mails()) != 3 {
		t.Errorf("%d mails", len(s.Mails()))
	}
}

func TestASubjectIsOneLine(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{})
	m := sample
	m.Subject = "Hallo\r\nBcc: mallory@example.org\r\n\r\nnew body"
	if err := sender(t, s, nil).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	message, err := mail.ReadMessage(strings.NewReader(s.Mails()[0].Data))
	if err != nil || message.Header.Get("Bcc") != "" || !strings.Contains(message.Header.Get("Subject"), "mallory") {
		t.Errorf("header %v, %v", message.Header, err)
	}
}

func TestAnAddressThatCannotBeIsRefusedForGood(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{})
	m := sample
	m.To = "anna@example.org>\r\nRCPT TO:<mallory@example.org"
	_, forGood := errors.AsType[*controlplane.MailRefused](sender(t, s, nil).Send(t.Context(), m))
	if !forGood || len(s.Commands()) != 0 {
		t.Errorf("refused for good: %v, commands %v", forGood, s.Commands())
	}
}

func TestGivingUp(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sender(t, s, nil).Send(ctx, sample); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	good := smtp.Config{Host: "mail.example.org", Encryption: smtp.StartTLS, From: "noreply@example.org"}
	if _, err := smtp.New(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*smtp.Config){
		"no host":                  func(c *smtp.Config) { c.Host = "" },
		"no sender":                func(c *smtp.Config) { c.From = "Hafen" },
		"no encryption said":       func(c *smtp.Config) { c.Encryption = "" },
		"a password in clear text": func(c *smtp.Config) { c.Encryption, c.Username = smtp.None, "hafen" },
	} {
		config := good
		change(&config)
		if _, err := smtp.New(config); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAFileGoesWithAMail(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{})
	m := sample
	m.File = &controlplane.MailFile{Name: "Rechnung-2026-000001.pdf", Content: []byte("%PDF-1.3 \x00\xff and so on")}
	if err := sender(t, s, nil).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	message, err := mail.ReadMessage(strings.NewReader(s.Mails()[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	kind, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("content type %s, %v", kind, err)
	}
	for reader := multipart.NewReader(message.Body, parameters["boundary"]); ; {
		part, err := reader.NextPart()
		if err != nil {
			t.Fatalf("no file among the parts: %v", err)
		}
		if part.FileName() != m.File.Name {
			continue
		}
		content, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, part))
		if err != nil || string(content) != string(m.File.Content) || !strings.HasPrefix(part.Header.Get("Content-Type"), "application/pdf") {
			t.Fatalf("%q as %s: %v", content, part.Header.Get("Content-Type"), err)
		}
		return
	}
}
