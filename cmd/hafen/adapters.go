package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/controlplane/postgres"
	"hafen/controlplane/smtp"
	"hafen/provisioner/dns"
	"hafen/tenant"
)

// wanted is what an own domain shall look like.
func (s settings) wanted(c controlplane.DomainClaim, addresses []netip.Addr) dns.Wanted {
	return dns.Wanted{
		ServerName: c.ServerName, Host: c.Host, Token: c.Token,
		EdgeHost: tenant.Domain(s.BaseDomain), Edge: addresses, FederationPort: s.FederationPort, ClientPort: s.HTTPSPort,
	}
}

// domainChecker looks at own domains.
type domainChecker struct {
	checker   *dns.Checker
	settings  settings
	addresses []netip.Addr
}

func (d domainChecker) Check(ctx context.Context, c controlplane.DomainClaim) tenant.DomainReport {
	return d.checker.Check(ctx, d.settings.wanted(c, d.addresses))
}

func (c controlplaneSettings) checker(s settings) (controlplane.DomainChecker, error) {
	addresses, err := s.publicAddresses()
	if err != nil {
		return nil, err
	}
	config := dns.Config{Resolvers: c.Resolver, ResolverOnly: len(c.Resolver) > 0, AllowPrivate: !s.Production}
	if s.Production {
		config.Issuers = c.CAAIssuer
	}
	checker, err := dns.New(config)
	if err != nil {
		return nil, err
	}
	return domainChecker{checker: checker, settings: s, addresses: addresses}, nil
}

// addMail registers what writes and sends mails. In trial mode nothing is sent: the website shows them.
func (c controlplaneSettings) addMail(workers *river.Workers, s settings, store *postgres.Store, texts controlplane.MailTexts) error {
	people := controlplane.NewAccounts(controlplane.AccountsConfig{Store: store, Hasher: controlplane.NewArgon2id(), Texts: texts})
	river.AddWorker(workers, &controlplane.AccountMailWorker{Accounts: people})
	worker := &controlplane.MailWorker{Outbox: store}
	if s.Production {
		if c.SMTPHost == "" || c.MailFrom == "" {
			return errors.New("--production needs --smtp-host and --mail-from: customers confirm their addresses by mail")
		}
		sender, err := c.mailSender()
		if err != nil {
			return err
		}
		worker.Sender = sender
	}
	river.AddWorker(workers, worker)
	return nil
}

func (c controlplaneSettings) mailSender() (*smtp.Sender, error) {
	password := ""
	if c.SMTPPasswordFile != "" {
		content, err := os.ReadFile(c.SMTPPasswordFile)
		if err != nil {
			return nil, fmt.Errorf("read the mail server's password: %w", err)
		}
		password = strings.TrimRight(string(content), "\r\n")
	}
	return smtp.New(smtp.Config{
		Host: c.SMTPHost, Port: c.SMTPPort, Encryption: c.SMTPEncryption, Username: c.SMTPUser, Password: password, From: c.MailFrom,
	})
}
