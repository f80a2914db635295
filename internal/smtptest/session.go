package smtptest

import (
	"bufio"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"sync"
	"time"
)

// RFC 5321 section 4.5.3.1, with the CRLF. AUTH lines may be longer (RFC 4954 section 4).
const (
	longestCommand = 512
	longestAuth    = 12288
	longestText    = 1000
)

// patience ends a conversation in which the client says nothing, so that a test cannot hang.
const patience = 20 * time.Second

// errOver ends a conversation.
var errOver = errors.New("conversation is over")

// session is one conversation.
type session struct {
	*Server
	conn net.Conn
	in   *bufio.Reader

	encrypted bool
	greeted   bool
	username  string
	mail      *Mail // from MAIL on
}

func (s *Server) accept(listener net.Listener, running *sync.WaitGroup) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.open == nil {
			s.mu.Unlock()
			_ = conn.Close()
			return
		}
		s.open[conn] = true
		running.Go(func() {
			c := &session{Server: s, conn: conn, in: bufio.NewReaderSize(conn, longestAuth), encrypted: s.config.TLS == Implicit}
			c.serve()
			_ = conn.Close()
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
		})
		s.mu.Unlock()
	}
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.open = nil
}

func (c *session) serve() {
	if c.failed(AtConnect) || c.reply("220 localhost smtptest") != nil {
		return
	}
	for {
		line, err := c.line(longestCommand)
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		c.mu.Lock()
		c.commands = append(c.commands, verb)
		c.mu.Unlock()
		if err := c.command(verb, strings.TrimSpace(argument)); err != nil {
			return
		}
	}
}

func (c *session) command(verb, argument string) error {
	switch verb {
	case "EHLO", "HELO":
		return c.hello(verb, argument)
	case "NOOP":
		return c.reply("250 2.0.0 ok")
	case "RSET":
		c.mail = nil
		return c.reply("250 2.0.0 forgotten")
	case "QUIT":
		if c.failed(AtQuit) {
			return errOver
		}
		_ = c.reply("221 2.0.0 bye")
		return errOver
	}
	if !c.greeted {
		return c.reply("503 5.5.1 EHLO first")
	}
	switch verb {
	case "STARTTLS":
		return c.startTLS()
	case "AUTH":
		return c.auth(argument)
	case "MAIL":
		return c.from(argument)
	case "RCPT":
		return c.to(argument)
	case "DATA":
		return c.data()
	}
	return c.reply("500 5.5.2 no such command")
}

func (c *session) hello(verb, argument string) error {
	if argument == "" {
		return c.reply("501 5.5.4 who are you")
	}
	c.greeted, c.mail = true, nil
	if verb == "HELO" {
		return c.reply("250 localhost")
	}
	lines := []string{"localhost", "8BITMIME", "ENHANCEDSTATUSCODES"}
	if c.config.TLS == StartTLS && !c.encrypted {
		lines = append(lines, "STARTTLS")
	}
	if c.config.Username != "" && c.encrypted {
		lines = append(lines, "AUTH PLAIN LOGIN")
	}
	for _, line := range lines {
		if err := c.reply("250-" + line); err != nil {
			return err
		}
	}
	return c.reply("250 SIZE 10485760")
}

func (c *session) startTLS() error {
	if c.config.TLS != StartTLS || c.encrypted {
		return c.reply("503 5.5.1 not now")
	}
	if c.in.Buffered() > 0 {
		return errOver // what came before the handshake is not trusted (CVE-2011-0411)
	}
	if err := c.reply("220 2.0.0 go ahead"); err != nil {
		return err
	}
	conn := tls.Server(c.conn, c.tls)
	if err := conn.Handshake(); err != nil {
		return errOver
	}
	// RFC 3207 section 4.2: all that was said before is forgotten.
	c.conn, c.in = conn, bufio.NewReaderSize(conn, longestAuth)
	c.encrypted, c.greeted, c.mail, c.username = true, false, nil, ""
	return nil
}

func (c *session) auth(argument string) error {
	if c.failed(AtAuth) {
		return nil // a dropped connection ends the conversation at its next line
	}
	if c.config.Username == "" || !c.encrypted || c.username != "" || c.mail != nil {
		return c.reply("503 5.5.1 not now")
	}
	mechanism, initial, _ := strings.Cut(argument, " ")
	var username, password string
	var err error
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		username, password, err = c.authPlain(initial)
	case "LOGIN":
		username, password, err = c.authLogin()
	default:
		return c.reply("504 5.5.4 no such mechanism")
	}
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(username+"\x00"+password), []byte(c.config.Username+"\x00"+c.config.Password)) != 1 {
		return c.reply("535 5.7.8 wrong")
	}
	c.username = username
	return c.reply("235 2.7.0 welcome")
}

func (c *session) authPlain(initial string) (username, password string, err error) {
	if initial == "" {
		if initial, err = c.ask("334 "); err != nil {
			return "", "", err
		}
	}
	decoded, err := base64.StdEncoding.DecodeString(initial)
	parts := strings.Split(string(decoded), "\x00")
	if err != nil || len(parts) != 3 {
		return "", "", nil
	}
	return parts[1], parts[2], nil
}

func (c *session) authLogin() (username, password string, err error) {
	for _, step := range []struct {
		prompt string
		into   *string
	}{{"Username:", &username}, {"Password:", &password}} {
		answer, err := c.ask("334 " + base64.StdEncoding.EncodeToString([]byte(step.prompt)))
		if err != nil {
			return "", "", err
		}
		decoded, err := base64.StdEncoding.DecodeString(answer)
		if err != nil {
			return "", "", nil
		}
		*step.into = string(decoded)
	}
	return username, password, nil
}

func (c *session) ask(prompt string) (string, error) {
	if err := c.reply(prompt); err != nil {
		return "", err
	}
	return c.line(longestAuth)
}

func (c *session) from(argument string) error {
	switch {
	case c.config.TLS == StartTLS && !c.encrypted:
		return c.reply("530 5.7.0 STARTTLS first")
	case c.config.Username != "" && c.username == "":
		return c.reply("530 5.7.0 AUTH first")
	case c.mail != nil:
		return c.reply("503 5.5.1 one at a time")
	}
	address, ok := path(argument, "FROM:")
	if !ok {
		return c.reply("501 5.5.4 not an address")
	}
	if c.failed(AtMail) {
		return nil
	}
	c.mail = &Mail{From: address, TLS: c.encrypted, Username: c.username}
	return c.reply("250 2.1.0 ok")
}

func (c *session) to(argument string) error {
	if c.mail == nil || c.mail.To != "" {
		return c.reply("503 5.5.1 MAIL first, and one recipient")
	}
	address, ok := path(argument, "TO:")
	if !ok || address == "" {
		return c.reply("501 5.5.4 not an address")
	}
	if c.failed(AtRcpt) {
		return nil
	}
	c.mail.To = address
	return c.reply("250 2.1.5 ok")
}

func (c *session) data() error {
	if c.mail == nil || c.mail.To == "" {
		return c.reply("503 5.5.1 RCPT first")
	}
	if c.failed(AtData) {
		return nil
	}
	if err := c.reply("354 go ahead"); err != nil {
		return err
	}
	var text strings.Builder
	for {
		line, err := c.line(longestText)
		if err != nil {
			return err
		}
		if _, dropping := c.fault(InBody); dropping {
			return errOver
		}
		if line == "." {
			break
		}
		text.WriteString(strings.TrimPrefix(line, "."))
		text.WriteString("\r\n")
	}
	taken := *c.mail
	taken.Data, c.mail = text.String(), nil
	if _, err := mail.ReadMessage(strings.NewReader(taken.Data)); err != nil {
		return c.reply("554 5.6.0 not a message")
	}
	if c.failed(AtBody) {
		return nil
	}
	c.mu.Lock()
	c.mails = append(c.mails, taken)
	c.mu.Unlock()
	return c.reply("250 2.0.0 taken")
}

// path reads "FROM:<address> PARAMETERS".
func path(argument, prefix string) (address string, ok bool) {
	if len(argument) < len(prefix) || !strings.EqualFold(argument[:len(prefix)], prefix) {
		return "", false
	}
	address, _, ok = strings.Cut(strings.TrimPrefix(argument[len(prefix):], "<"), ">")
	if !ok || !strings.HasPrefix(argument[len(prefix):], "<") {
		return "", false
	}
	if address == "" {
		return "", true // the null sender
	}
	parsed, err := mail.ParseAddress(address)
	return address, err == nil && parsed.Address == address
}

// failed answers as planned, if a failure is planned for this point.
func (c *session) failed(at Point) bool {
	reply, planned := c.fault(at)
	switch {
	case !planned:
		return false
	case reply == Drop:
		_ = c.conn.Close()
	default:
		_ = c.reply(reply)
	}
	c.mail = nil
	return true
}

func (c *session) reply(line string) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.conn, "%s\r\n", line)
	return err
}

// line reads one line of at most longest bytes. A line feed without a carriage return is no end of a line but an attack
// (SMTP smuggling): the conversation is over.
func (c *session) line(longest int) (string, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(line, "\r\n") || strings.ContainsAny(line[:len(line)-2], "\r\n") {
		_ = c.reply("500 5.5.2 bare line feed")
		return "", errOver
	}
	if len(line) > longest {
		_ = c.reply("500 5.5.2 line too long")
		return "", errOver
	}
	return line[:len(line)-2], nil
}
