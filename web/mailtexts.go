package web

import (
	"fmt"
	"net/url"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/templates/i18n"
)

// MailTexts writes Hafen's mails, with links to the dashboard. It implements controlplane.MailTexts and is here because it
// must agree with the route table.
type MailTexts struct {
	PublicURL string
	Payee     Payee
}

// Render writes one mail.
func (m MailTexts) Render(content controlplane.MailContent, language string) (controlplane.MailText, error) {
	mail, err := m.render(content, i18n.For(language))
	if err != nil {
		return controlplane.MailText{}, fmt.Errorf("render %T: %w", content, err)
	}
	return controlplane.MailText{Subject: mail.Subject, Text: mail.Text, HTML: mail.HTML}, nil
}

func (m MailTexts) render(content controlplane.MailContent, l *i18n.Locale) (templates.Mail, error) {
	switch c := content.(type) {
	case controlplane.VerifyMail:
		return templates.VerifyMail(l, m.link("/verify", c.MailLink))
	case controlplane.ResetMail:
		return templates.PasswordResetMail(l, m.link("/password/reset", c.MailLink))
	case controlplane.KnownAddressMail:
		return templates.KnownAddressMail(l, templates.MailKnownAddress{
			Email: c.Email, LoginURL: m.PublicURL + "/login", ForgotURL: m.PublicURL + "/password/forgot",
		})
	case controlplane.PasswordChangedMail:
		return templates.PasswordChangedMail(l, templates.MailPasswordChanged{
			Email: c.Email, At: c.At, Address: c.Address, ForgotURL: m.PublicURL + "/password/forgot",
		})
	case controlplane.SecurityMail:
		return m.security(c, l)
	case controlplane.EmailChangeMail:
		return templates.EmailChangeMail(l, m.link("/email/confirm", c.MailLink))
	case controlplane.EmailTakenMail:
		return templates.EmailTakenMail(l, templates.MailKnownAddress{Email: c.Email, LoginURL: m.PublicURL + "/login", ForgotURL: m.PublicURL + "/password/forgot"})
	case controlplane.ColleagueMail:
		return templates.ColleagueMail(l, templates.MailColleague{
			MailLink: m.link("/colleague", c.MailLink), ServerName: string(c.ServerName), Role: string(c.Role), InvitedBy: c.InvitedBy,
		})
	case controlplane.ServerMail:
		return m.server(c, l)
	case controlplane.QuotaMail:
		return templates.QuotaMail(l, m.quota(c.Warning, c.Server))
	case controlplane.QuotaNotice:
		return templates.Mail{Text: templates.QuotaNotice(l, m.quota(c.Warning, c.Server))}, nil
	case controlplane.InvoiceLetter:
		return m.bill(c, l)
	case controlplane.DunningMail:
		return m.dunning(c, l)
	case controlplane.InviteMail:
		return templates.InviteMail(l, templates.MailInvite{
			MailLink: m.link("/invite", c.MailLink), Name: called(c.Server), InvitedBy: c.InvitedBy,
		})
	case controlplane.MemberPasswordMail:
		return templates.MemberPasswordMail(l, templates.MailMemberPassword{
			MailLink: m.link("/set-password", c.MailLink), Name: called(c.Server), MatrixID: c.UserID, New: c.New,
		})
	default:
		return templates.Mail{}, fmt.Errorf("no words for it")
	}
}

func (m MailTexts) security(c controlplane.SecurityMail, l *i18n.Locale) (templates.Mail, error) {
	about := templates.MailSecurity{
		Code: string(c.Which), Email: c.Email, At: c.At, Address: c.Address, Name: c.Name, Left: c.Left, ForgotURL: m.PublicURL + "/password/forgot",
	}
	if c.Which == controlplane.SecurityEmailChanged || c.Which == controlplane.SecurityEmailRestored {
		about.ForgotURL = "" // a link would go to another address
	}
	if c.Undo != "" {
		about.UndoURL = m.link("/email/undo", controlplane.MailLink{Token: c.Undo}).URL
	}
	return templates.SecurityMail(l, about)
}

// called is what people call a server.
func called(server controlplane.Server) string {
	if server.Settings.Name != "" {
		return server.Settings.Name
	}
	return string(server.ServerName)
}

func (m MailTexts) link(path string, l controlplane.MailLink) templates.MailLink {
	return templates.MailLink{
		Email: l.Email, URL: m.PublicURL + path + "?" + url.Values{"token": {l.Token}}.Encode(), Expires: l.Expires,
	}
}

func (m MailTexts) server(c controlplane.ServerMail, l *i18n.Locale) (templates.Mail, error) {
	about := templates.MailServer{
		ServerName: string(c.Server.ServerName), ServerURL: m.PublicURL + serverPath(c.Server.ID),
		AdminID: c.Server.FirstAdmin.UserID(c.Server.ServerName), Code: c.Server.SuspendedFor, DeleteAt: moment(c.Server.DeleteAfter),
	}
	switch c.Which {
	case controlplane.MailServerReady:
		return templates.ServerReadyMail(l, about)
	case controlplane.MailServerDeleting:
		return templates.DeletionAnnouncedMail(l, about)
	case controlplane.MailServerDeleted:
		return templates.ServerDeletedMail(l, about)
	case controlplane.MailServerSuspended:
		return templates.ServerSuspendedMail(l, about)
	case controlplane.MailServerResumed:
		return templates.ServerResumedMail(l, about)
	case controlplane.MailSettingsRolledBack:
		return templates.SettingsRolledBackMail(l, about)
	case controlplane.MailPlanKept:
		return templates.PlanKeptMail(l, about)
	case controlplane.MailOrderReceived:
		return templates.OrderReceivedMail(l, m.order(l, c))
	case controlplane.MailPaymentReceived:
		order := m.order(l, c)
		order.OrderURL = about.ServerURL
		return templates.PaymentReceivedMail(l, order)
	default:
		return templates.Mail{}, fmt.Errorf("no words for %s", c.Which)
	}
}

func (m MailTexts) quota(w controlplane.QuotaWarning, server controlplane.Server) templates.MailQuota {
	page := m.PublicURL + serverPath(server.ID)
	about := templates.MailQuota{
		ServerName: string(server.ServerName), Kind: string(w.Kind), Level: int(w.Level), Used: w.Used, Limit: w.Limit,
		PlanURL: page + "/plan", CleanURL: page + "/media",
	}
	if w.Kind == controlplane.QuotaSeats {
		about.CleanURL = page + "/members"
	}
	return about
}

func (m MailTexts) order(l templates.Locale, c controlplane.ServerMail) templates.MailOrder {
	number, payee := invoiceNumber(c.Order), m.Payee.of(c.Order.Seller)
	return templates.MailOrder{
		ServerName: string(c.Server.ServerName), PlanName: c.Order.Plan.Name.In(l.Code()), Number: number,
		Price:     orderPrice(c.Order),
		Recipient: payee.Name, IBAN: payee.IBAN, BIC: payee.BIC, Reference: number,
		OrderURL: m.PublicURL + paymentPath(c.Server.ID), Outside: c.Order.CheckoutURL != "",
	}
}
