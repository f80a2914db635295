// Package smtp hands Hafen's mails to a mail server. It implements controlplane.MailSender.
//
// Each mail has a connection of its own: they are few, and a connection that waits for the next one is closed by most
// servers when it is needed. The password is given to a server over TLS only, whose certificate is checked; nothing here falls
// back to clear text.
package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"hafen/controlplane"
)

// Encryption is how the connection to the mail server is protected.
type Encryption string

// The ways to protect a connection.
const (
	StartTLS Encryption = "starttls" // demanded, not merely tried
	Implicit Encryption = "tls"      // from the first byte
	None     Encryption = "none"     // for a mail server on the same machine
)

// Config is where and how to send.
type Config struct {
	Host       string
	Port       int // 587, 465 or 25 when zero, after Encryption
	Encryption Encryption
	Username   string // "" sends without logging in
	Password   string
	From       string         // an address, with a name if wished: "Hafen <noreply@example.org>"
	Roots      *x509.CertPool // whom to trust; the system's when nil
	Timeout    time.Duration  // for a whole delivery; 30 s when zero
}

// Sender sends mails.
type Sender struct {
	config Config
	from   *mail.Address
	domain string // of From, for message ids
}

// New checks the configuration; it does not connect.
func New(c Config) (*Sender, error) {
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("read the sender's address %q: %w", c.From, err)
	}
	if c.Host == "" {
		return nil, errors.New("mail server: no host given")
	}
	port, known := map[Encryption]int{StartTLS: 587, Implicit: 465, None: 25}[c.Encryption]
	if !known {
		return nil, fmt.Errorf("mail server: encryption is %q, want %s, %s or %s", c.Encryption, StartTLS, Implicit, None)
	}
	if c.Encryption == None && c.Username != "" {
		return nil, errors.New("mail server: a password needs an encrypted connection")
	}
	if c.Port == 0 {
		c.Port = port
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	return &Sender{config: c, from: from, domain: from.Address[strings.LastIndexByte(from.Address, '@')+1:]}, nil
}

// Send delivers m to the mail server. Nil means that it took the mail; a *controlplane.MailRefused that it never will.
func (s *Sender) Send(ctx context.Context, m controlplane.OutboxMail) error {
	message, err := s.message(m)
	if err != nil {
		return &controlplane.MailRefused{Err: err} // it will not be written better next time
	}
	client, err := s.client()
	if err != nil {
		return fmt.Errorf("prepare the connection to the mail server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("connect to mail server %s: %w", client.ServerAddr(), err)
	}
	err = client.SendWithSMTPClient(connection, message)
	// Once the server has taken the mail, how the conversation ends does not matter: an error here would send it again.
	_ = client.CloseWithSMTPClient(connection)
	if message.IsDelivered() {
		return nil
	}
	return classify(err)
}

func (s *Sender) message(m controlplane.OutboxMail) (*gomail.Msg, error) {
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(s.from)
	if err := message.To(m.To); err != nil {
		return nil, fmt.Errorf("read the recipient's address: %w", err)
	}
	message.SetMessageIDWithValue(m.MessageID + "@" + s.domain)
	message.SetDateWithValue(m.CreatedAt)
	// RFC 3834 section 5: keeps holiday notices from being sent back.
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.Subject(strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' ' // a line break would begin another header
		}
		return r
	}, m.Subject))
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	if m.File != nil {
		err := message.AttachReader(m.File.Name, bytes.NewReader(m.File.Content), gomail.WithFileContentType("application/pdf"))
		if err != nil {
			return nil, fmt.Errorf("attach %s: %w", m.File.Name, err)
		}
	}
	return message, nil
}

func (s *Sender) client() (*gomail.Client, error) {
	c := s.config
	options := []gomail.Option{
		gomail.WithPort(c.Port), gomail.WithTimeout(c.Timeout), gomail.WithoutRset(), gomail.WithoutNoop(),
		gomail.WithTLSConfig(&tls.Config{ServerName: c.Host, RootCAs: c.Roots, MinVersion: tls.VersionTLS12}),
	}
	switch c.Encryption {
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		options = append(options, gomail.WithSSL())
	case None:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if c.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(c.Username), gomail.WithPassword(c.Password))
	}
	return gomail.NewClient(c.Host, options...)
}

// classify tells what the recipient or the message causes from what the server's administrator can mend: a refused login, a
// sender that may not send, a policy (5.7.x, RFC 3463 section 3.8). Those are worth another attempt, the former are not.
func classify(err error) error {
	if err == nil {
		return errors.New("mail server ended the conversation without taking the mail")
	}
	err = fmt.Errorf("hand the mail over: %w", err)
	failed, ok := errors.AsType[*gomail.SendError](err)
	if !ok || failed.IsTemp() || failed.ErrorCode() < 500 || strings.HasPrefix(failed.EnhancedStatusCode(), "5.7.") {
		return err
	}
	switch failed.Reason {
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		return &controlplane.MailRefused{Err: err}
	}
	return err
}
