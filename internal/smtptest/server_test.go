package smtptest_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"hafen/internal/smtptest"
)

const message = "From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n\r\nfirst\r\n..dot\r\n"

func address(s *smtptest.Server) string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// dial gets as far as a STARTTLS connection of the standard library's client.
func dial(t *testing.T, s *smtptest.Server) *smtp.Client {
	t.Helper()
	client, err := smtp.Dial(address(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if err := client.StartTLS(&tls.Config{ServerName: s.Host, RootCAs: s.Roots}); err != nil {
		t.Fatal(err)
	}
	return client
}

func deliver(client *smtp.Client) error {
	if err := client.Mail("a@example.org"); err != nil {
		return err
	}
	if err := client.Rcpt("b@example.org"); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(message)); err != nil {
		return err
	}
	return w.Close()
}

func TestTheStandardClientDelivers(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{Username: "hafen", Password: "geheim"})
	client := dial(t, s)
	if err := deliver(client); err == nil || !strings.HasPrefix(err.Error(), "530 ") {
		t.Errorf("without a login: %v", err)
	}
	if err := client.Auth(smtp.PlainAuth("", "hafen", "falsch", s.Host)); err == nil || !strings.HasPrefix(err.Error(), "535 ") {
		t.Errorf("with a wrong password: %v", err)
	}
	client = dial(t, s) // the standard client ends the conversation after a refused login
	if err := client.Auth(smtp.PlainAuth("", "hafen", "geheim", s.Host)); err != nil {
		t.Fatal(err)
	}
	if err := deliver(client); err != nil {
		t.Fatal(err)
	}
	if err := client.Quit(); err != nil {
		t.Error(err)
	}
	want := smtptest.Mail{From: "a@example.org", To: "b@example.org", Data: message, TLS: true, Username: "hafen"}
	if mails := s.Mails(); len(mails) != 1 || mails[0] != want {
		t.Errorf("taken: %+v", mails)
	}
}

func TestPlannedFailuresHappenOnce(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{})
	for _, at := range []smtptest.Point{smtptest.AtMail, smtptest.AtRcpt, smtptest.AtData, smtptest.AtBody} {
		s.Fail(at, "451 4.3.0 later", smtptest.Drop)
		client := dial(t, s)
		if err := deliver(client); err == nil || !strings.HasPrefix(err.Error(), "451 ") {
			t.Errorf("%s: %v", at, err)
		}
		if err := client.Reset(); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		if err := deliver(client); err == nil || strings.HasPrefix(err.Error(), "4") {
			t.Errorf("%s, dropped: %v", at, err)
		}
		before := len(s.Mails())
		if err := deliver(dial(t, s)); err != nil || len(s.Mails()) != before+1 {
			t.Errorf("%s, afterwards: %v", at, err)
		}
	}
}

// talk says lines to a server and wants replies that begin so.
func talk(t *testing.T, s *smtptest.Server, lines ...[2]string) {
	t.Helper()
	conn, err := net.Dial("tcp", address(s))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := textproto.NewReader(bufio.NewReader(conn))
	if line, err := in.ReadLine(); err != nil || !strings.HasPrefix(line, "220 ") {
		t.Fatalf("greeting %q, %v", line, err)
	}
	for _, l := range lines {
		if _, err := fmt.Fprint(conn, l[0]); err != nil {
			t.Fatal(err)
		}
		var line string
		for {
			if line, err = in.ReadLine(); err != nil || len(line) < 4 || line[3] != '-' {
				break
			}
		}
		if !strings.HasPrefix(line, l[1]) {
			t.Errorf("%q: reply %q (%v), want %s", l[0], line, err, l[1])
		}
	}
}

func TestTheServerIsStrict(t *testing.T) {
	t.Parallel()
	plain := smtptest.New(t, smtptest.Config{TLS: smtptest.Plain})
	talk(t, plain, [2]string{"MAIL FROM:<a@example.org>\r\n", "503"})
	talk(t, plain, [2]string{"EHLO x\r\n", "250"}, [2]string{"RCPT TO:<a@example.org>\r\n", "503"}, [2]string{"DATA\r\n", "503"},
		[2]string{"STARTTLS\r\n", "503"}, [2]string{"AUTH PLAIN x\r\n", "503"}, [2]string{"VRFY x\r\n", "500"})
	talk(t, plain, [2]string{"EHLO x\r\n", "250"}, [2]string{"MAIL FROM:a@example.org\r\n", "501"},
		[2]string{"MAIL FROM:<a b@example.org>\r\n", "501"}, [2]string{"MAIL FROM:<a@example.org>\r\n", "250"},
		[2]string{"MAIL FROM:<a@example.org>\r\n", "503"}, [2]string{"RCPT TO:<>\r\n", "501"})
	talk(t, plain, [2]string{"EHLO x\n", "500"})
	talk(t, plain, [2]string{"EHLO " + strings.Repeat("x", 600) + "\r\n", "500"})
	envelope := [][2]string{{"EHLO x\r\n", "250"}, {"MAIL FROM:<a@example.org>\r\n", "250"}, {"RCPT TO:<b@example.org>\r\n", "250"}, {"DATA\r\n", "354"}}
	talk(t, plain, append(envelope, [2]string{"Subject: x\r\n\r\nbody\n.\nMAIL FROM:<c@example.org>\r\n", "500"})...)
	talk(t, plain, append(envelope, [2]string{"no header\r\n.\r\n", "554"})...)
	if len(plain.Mails()) != 0 {
		t.Errorf("taken: %+v", plain.Mails())
	}
	talk(t, smtptest.New(t, smtptest.Config{}), [2]string{"EHLO x\r\n", "250"}, [2]string{"MAIL FROM:<a@example.org>\r\n", "530"})
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{TLS: smtptest.Implicit})
	conn, err := tls.Dial("tcp", address(s), &tls.Config{ServerName: s.Host, RootCAs: s.Roots})
	if err != nil {
		t.Fatal(err)
	}
	client, err := smtp.NewClient(conn, s.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := deliver(client); err != nil || len(s.Mails()) != 1 || !s.Mails()[0].TLS {
		t.Errorf("%v, %+v", err, s.Mails())
	}
}
