package web

import (
	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/templates"
)

func (m MailTexts) bill(c controlplane.InvoiceLetter, l templates.Locale) (templates.Mail, error) {
	d := c.Invoice
	return templates.BillMail(l, templates.MailBill{
		Which: string(c.Which), Number: d.Number, Other: d.Corrects, ServerName: string(d.ServerName), Amount: d.Gross.Cents, Currency: d.Gross.Currency,
		Due: d.Due, Left: d.Open().Cents, Recipient: d.Seller.Called(), IBAN: billing.GroupIBAN(d.Seller.IBAN), BIC: d.Seller.BIC,
		URL: m.PublicURL + billPath(d.Tenant, d.ID), ServerURL: m.PublicURL + serverPath(d.Tenant),
	})
}

func (m MailTexts) dunning(c controlplane.DunningMail, l templates.Locale) (templates.Mail, error) {
	about := templates.MailDunning{
		Stage: string(c.Stage), Number: c.Number, ServerName: string(c.Server.ServerName), Amount: c.Amount.Cents, Currency: c.Amount.Currency,
		Due: c.Due, DeleteAt: c.DeleteAt, GraceDays: int(controlplane.GracePeriod.Hours() / 24), Bills: c.Bills, URL: c.URL,
	}
	if about.URL == "" || c.Bills > 1 {
		about.URL = m.PublicURL + owedPath(c.Server.ID, c.Owed)
	}
	return templates.DunningMail(l, about)
}
