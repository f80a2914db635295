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
		Due: d.Due, Open: d.Open().Cents > 0, Recipient: d.Seller.Called(), IBAN: billing.GroupIBAN(d.Seller.IBAN), BIC: d.Seller.BIC,
		URL: m.PublicURL + billPath(d.Tenant, d.ID),
	})
}

func (m MailTexts) dunning(c controlplane.DunningMail, l templates.Locale) (templates.Mail, error) {
	about := templates.MailDunning{
		Stage: string(c.Stage), Number: c.Number, ServerName: string(c.Server.ServerName), Amount: c.Amount.Cents, Currency: c.Amount.Currency,
		Due: c.Due, DeleteAt: c.DeleteAt, URL: c.URL,
	}
	if about.URL == "" {
		about.URL = m.PublicURL + billPath(c.Server.ID, c.Invoice)
	}
	return templates.DunningMail(l, about)
}
