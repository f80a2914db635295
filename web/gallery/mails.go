package gallery

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/a-h/templ"

	"hafen/templates"
	"hafen/templates/i18n"
)

type sampleMail struct {
	name string
	mail templates.Mail
}

// mails writes every mail once in a language.
func mails(l *i18n.Locale) []sampleMail {
	account := templates.MailLink{
		Email: "anna@werft.example", URL: "https://hafen.example/verify?token=Zr8mQ4vX1pYk0sJc9bTn", Expires: now.Add(24 * time.Hour),
	}
	order := templates.MailOrder{
		ServerName: "werft.example", PlanName: "Advanced", Number: "417", Price: price(600), Recipient: "Werft Hosting GmbH",
		IBAN: "DE02 1203 0000 0000 2020 51", BIC: "BYLADEM1001", Reference: "417", OrderURL: "https://hafen.example/servers/t7k2m9/payment",
	}
	online := order
	online.Outside = true
	server := templates.MailServer{
		ServerName: "werft.example", ServerURL: "https://hafen.example/servers/t7k2m9", AdminID: "@anna:werft.example", DeleteAt: now.AddDate(0, 0, 14),
	}
	suspended, problem := server, server
	suspended.Code, problem.Code = "payment", "txt.missing"
	list := []sampleMail{
		{"verify", must(templates.VerifyMail(l, account))},
		{"known-address", must(templates.KnownAddressMail(l, templates.MailKnownAddress{
			Email: account.Email, LoginURL: "https://hafen.example/login", ForgotURL: "https://hafen.example/password/forgot",
		}))},
		{"password-reset", must(templates.PasswordResetMail(l, account))},
		{"password-changed", must(templates.PasswordChangedMail(l, templates.MailPasswordChanged{
			Email: account.Email, At: now, Address: "203.0.113.7", ForgotURL: "https://hafen.example/password/forgot",
		}))},
		{"email-change", must(templates.EmailChangeMail(l, account))},
		{"email-taken", must(templates.EmailTakenMail(l, templates.MailKnownAddress{
			Email: account.Email, LoginURL: "https://hafen.example/login", ForgotURL: "https://hafen.example/password/forgot",
		}))},
		{"order-received", must(templates.OrderReceivedMail(l, order))},
		{"order-received-online", must(templates.OrderReceivedMail(l, online))},
		{"payment-received", must(templates.PaymentReceivedMail(l, online))},
		{"server-ready", must(templates.ServerReadyMail(l, server))},
		{"domain-problem", must(templates.DomainProblemMail(l, problem))},
		{"server-suspended", must(templates.ServerSuspendedMail(l, suspended))},
		{"plan-kept", must(templates.PlanKeptMail(l, server))},
		{"server-resumed", must(templates.ServerResumedMail(l, server))},
		{"deletion-announced", must(templates.DeletionAnnouncedMail(l, server))},
		{"invite", must(templates.InviteMail(l, templates.MailInvite{
			MailLink: templates.MailLink{Email: account.Email, URL: "https://hafen.example/invite?token=Zr8mQ4vX1pYk0sJc9bTn", Expires: now.AddDate(0, 0, 7)},
			Name:     "Werft Nordstrand", InvitedBy: "anna@werft.example",
		}))},
		{"member-password", must(templates.MemberPasswordMail(l, templates.MailMemberPassword{
			MailLink: account, Name: "Werft Nordstrand", MatrixID: "@ida:werft.example", New: true,
		}))},
		{"invoice-issued", must(templates.BillMail(l, mailBill("issued")))},
		{"invoice-receipt", must(templates.BillMail(l, mailBill("receipt")))},
		{"invoice-paid", must(templates.BillMail(l, mailBill("paid")))},
		{"invoice-void", must(templates.BillMail(l, mailBill("void")))},
		{"server-deleted", must(templates.ServerDeletedMail(l, server))},
	}
	for _, quota := range []templates.MailQuota{
		{Kind: "storage", Level: 80, Used: 41 * gigabyte, Limit: 50 * gigabyte, CleanURL: server.ServerURL + "/media"},
		{Kind: "storage", Level: 100, Used: 50 * gigabyte, Limit: 50 * gigabyte, CleanURL: server.ServerURL + "/media"},
		{Kind: "seats", Level: 90, Used: 18, Limit: 20, CleanURL: server.ServerURL + "/members"},
		{Kind: "seats", Level: 100, Used: 20, Limit: 20, CleanURL: server.ServerURL + "/members"},
	} {
		quota.ServerName, quota.PlanURL = server.ServerName, server.ServerURL+"/plan"
		list = append(list, sampleMail{fmt.Sprintf("quota-%s-%d", quota.Kind, quota.Level), must(templates.QuotaMail(l, quota))})
	}
	return append(append(list, dunningMails(l)...), securityMails(l)...)
}

func mailBill(which string) templates.MailBill {
	left := int64(0)
	if which == "issued" {
		left = 714
	}
	return templates.MailBill{
		Which: which, Number: "2026-000417", Other: "2026-000416", ServerName: "werft.example", Amount: 714, Currency: "EUR", Due: now.AddDate(0, 0, 14),
		Left: left, Recipient: "Werft Hosting GmbH", IBAN: "DE02 1203 0000 0000 2020 51", BIC: "BYLADEM1001",
		URL: "https://hafen.example/servers/t7k2m9/bills/b1", ServerURL: "https://hafen.example/servers/t7k2m9",
	}
}

// dunningMails tell of each stage.
func dunningMails(l *i18n.Locale) []sampleMail {
	var list []sampleMail
	for _, stage := range []string{"overdue", "restricted", "suspended", "announced", "deleted"} {
		list = append(list, sampleMail{"dunning-" + stage, must(templates.DunningMail(l, templates.MailDunning{
			Stage: stage, Number: "2026-000417", Bills: 1, GraceDays: 14, ServerName: "werft.example", Amount: 714, Currency: "EUR", Due: now.AddDate(0, 0, -12),
			DeleteAt: now.AddDate(0, 0, 48), URL: "https://hafen.example/servers/t7k2m9/bills/b1",
		}))})
	}
	return list
}

// securityMails tell what has changed in the way into an account.
func securityMails(l *i18n.Locale) []sampleMail {
	var list []sampleMail
	for _, code := range []string{
		"app_added", "app_removed", "passkey_added", "passkey_removed", "passkey_copied", "code_used", "codes_renewed", "guessed", "reset", "email_changed", "email_restored",
	} {
		about := templates.MailSecurity{
			Code: code, Email: "anna@werft.example", At: now, Address: "203.0.113.7", Name: "Annas Telefon", Left: 7, ForgotURL: "https://hafen.example/password/forgot",
		}
		if code == "email_changed" {
			about.Name, about.ForgotURL, about.UndoURL = "anna@hafen.example", "", "https://hafen.example/email/undo?token=Zr8mQ4vX1pYk0sJc9bTn"
		}
		if code == "email_restored" {
			about.Email, about.Name, about.ForgotURL = "anna@hafen.example", "anna@werft.example", ""
		}
		list = append(list, sampleMail{strings.ReplaceAll(code, "_", "-"), must(templates.SecurityMail(l, about))})
	}
	return list
}

// must is for samples only: a mail that cannot be rendered is a mistake in a template.
func must(m templates.Mail, err error) templates.Mail {
	if err != nil {
		panic("gallery: " + err.Error())
	}
	return m
}

// mailEntries shows the HTML of the mails, each alone as a mail program would.
func mailEntries() []Entry {
	var list []Entry
	for i, m := range mails(i18n.For("de")) {
		e := page(templates.Visitor, "mail-"+m.name, func(p templates.Page) templ.Component {
			return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
				_, err := io.WriteString(w, mails(p.Locale)[i].mail.HTML)
				return err
			})
		})
		e.Mail = true
		list = append(list, e)
	}
	return list
}
