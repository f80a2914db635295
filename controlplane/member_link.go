package controlplane

import (
	"context"
	"fmt"
	"time"

	"hafen/tenant"
)

// How long a set-password link lives: handed over it is used within days; by mail, to people who do not wait for it, a week.
const (
	PasswordLinkLifetime = 72 * time.Hour
	MailedLinkLifetime   = 7 * 24 * time.Hour
)

// PasswordLinks keeps links with which members set their own passwords.
type PasswordLinks interface {
	// CreatePasswordLinks keeps all links of one request, with the mails that carry them, or none: the Fault member.unknown
	// unless each is for an active member.
	CreatePasswordLinks(ctx context.Context, r PasswordLinkRequest) error
	// FindPasswordLink looks a link up without using it: faults token.unknown, token.expired, token.used.
	FindPasswordLink(ctx context.Context, token string) (PasswordLink, error)
	// UsePasswordLink uses the link and records the operation in one transaction, so exactly one of two wins. The member's
	// other links die with it.
	UsePasswordLink(ctx context.Context, token string, sealed []byte) (operation string, err error)
}

// PasswordLinkRequest asks for links.
type PasswordLinkRequest struct {
	Actor    Actor
	Tenant   tenant.ID
	Lifetime time.Duration
	Links    []NewPasswordLink
}

// NewPasswordLink is one of them. Mail, when set, carries it.
type NewPasswordLink struct {
	Localpart tenant.Localpart
	Hash      TokenHash
	Mail      *Mail
}

// PasswordLink is whom a set-password link is for.
type PasswordLink struct {
	Tenant    tenant.ID
	Localpart tenant.Localpart
	Server    tenant.Domain
	Host      tenant.Domain
	Engine    tenant.EngineName
	Language  string
}

// MemberToken is the secret of a link, with whom it is for.
type MemberToken struct {
	Member Member
	Token  string
}

// MemberPasswordMail carries a set-password link to a member.
type MemberPasswordMail struct {
	MailLink
	UserID string
	Server Server
	New    bool // the account was made for them just now
}

func (MemberPasswordMail) mailContent() {}

// PasswordLink makes a single-use link's token with which a member sets their own password.
func (m *Members) PasswordLink(ctx context.Context, actor Actor, id tenant.ID, localpart string) (string, error) {
	who := tenant.Localpart(localpart)
	if _, err := m.authorizeOn(ctx, actor, id, who); err != nil {
		return "", err
	}
	token, hash := NewToken()
	return token, m.Store.CreatePasswordLinks(ctx, PasswordLinkRequest{
		Actor: actor, Tenant: id, Lifetime: PasswordLinkLifetime, Links: []NewPasswordLink{{Localpart: who, Hash: hash}},
	})
}

// MailPasswordLink sends such a link to an address. Nobody but the mailbox sees it. Faults: email.invalid, invite.too_many.
func (m *Members) MailPasswordLink(ctx context.Context, actor Actor, id tenant.ID, localpart, email string) error {
	who := tenant.Localpart(localpart)
	server, err := m.authorizeOn(ctx, actor, id, who)
	if err != nil {
		return err
	}
	to, err := ParseEmail(email)
	if err == nil {
		err = takeMail(ctx, m.Store, id, to)
	}
	if err != nil {
		return err
	}
	link, err := passwordMail(m.Texts, server, who, MemberPasswordMail{
		MailLink: MailLink{Email: to, Expires: m.Now().Add(MailedLinkLifetime)},
	})
	if err != nil {
		return err
	}
	return m.Store.CreatePasswordLinks(ctx, PasswordLinkRequest{Actor: actor, Tenant: id, Lifetime: MailedLinkLifetime, Links: []NewPasswordLink{link}})
}

// passwordMail draws a link and writes the mail that carries it, in the server's language.
func passwordMail(texts MailTexts, server Server, who tenant.Localpart, content MemberPasswordMail) (NewPasswordLink, error) {
	token, hash := NewToken()
	content.Token, content.Server, content.UserID = token, server, who.UserID(server.ServerName)
	text, err := texts.Render(content, server.Language)
	if err != nil {
		return NewPasswordLink{}, fmt.Errorf("write the mail with a set-password link: %w", err)
	}
	return NewPasswordLink{Localpart: who, Hash: hash, Mail: &Mail{To: content.Email, MailText: text}}, nil
}

// BulkPasswordLinks makes a link for each of some members, or none.
func (m *Members) BulkPasswordLinks(ctx context.Context, actor Actor, id tenant.ID, localparts []string) ([]MemberToken, error) {
	server, err := authorize(ctx, m.Store, actor, id, ManageMembers)
	if err != nil {
		return nil, err
	}
	if err := checkBulk(localparts); err != nil {
		return nil, err
	}
	var tokens []MemberToken
	r := PasswordLinkRequest{Actor: actor, Tenant: id, Lifetime: PasswordLinkLifetime}
	for _, localpart := range localparts {
		member, err := m.Store.FindMember(ctx, id, tenant.Localpart(localpart))
		if err == nil {
			err = mayChange(actor, server, member)
		}
		if err != nil {
			return nil, err
		}
		token, hash := NewToken()
		tokens = append(tokens, MemberToken{Member: member, Token: token})
		r.Links = append(r.Links, NewPasswordLink{Localpart: member.Localpart, Hash: hash})
	}
	return tokens, m.Store.CreatePasswordLinks(ctx, r)
}

// PeekPasswordLink says whom a link is for, without using it.
func (m *Members) PeekPasswordLink(ctx context.Context, token string) (PasswordLink, error) {
	return m.Store.FindPasswordLink(ctx, token)
}

// UsePasswordLink sets the password of the link's member.
func (m *Members) UsePasswordLink(ctx context.Context, token, password string) (PasswordLink, MemberResult, error) {
	link, err := m.Store.FindPasswordLink(ctx, token)
	if err != nil {
		return PasswordLink{}, MemberResult{}, err
	}
	if err := checkMemberPassword(password); err != nil {
		return link, MemberResult{}, err
	}
	sealed, err := m.Mailbox.SealMail([]byte(password), MailContext(link.Tenant, link.Localpart))
	if err != nil {
		return link, MemberResult{}, err
	}
	operation, err := m.Store.UsePasswordLink(ctx, token, sealed)
	if err != nil {
		return link, MemberResult{}, err
	}
	_, done, err := await(ctx, m.Store, m.Wait, link.Tenant, operation)
	return link, MemberResult{UserID: link.Localpart.UserID(link.Server), Done: done}, err
}
