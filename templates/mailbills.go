package templates

import "fmt"

// BillMail is about one bill; the bill itself is attached.
func BillMail(l Locale, vm MailBill) (Mail, error) {
	m := letter{Button: l.T("mail.invoice.button"), URL: vm.URL, Facts: []mailFact{
		{l.T("payment.invoice"), vm.Number}, {l.T("bill.gross"), l.Money(vm.Amount, vm.Currency)},
	}}
	switch vm.Which {
	case "issued":
		m.Subject = l.T("mail.invoice.issued.subject", "Number", vm.Number)
		m.Lines = []string{l.T("mail.invoice.issued.text", "Number", vm.Number, "Name", vm.ServerName)}
		m.Lead = l.T("mail.invoice.issued.settled")
		if vm.Left > 0 {
			m.Lead = l.T("mail.invoice.issued.pay", "When", l.Date(vm.Due))
			if vm.Left != vm.Amount { // some of it came before
				m.Facts = append(m.Facts, mailFact{l.T("bill.left"), l.Money(vm.Left, vm.Currency)})
			}
			m.Facts = append(m.Facts, mailFact{l.T("mail.invoice.due"), l.Date(vm.Due)})
			m.Facts = append(m.Facts, transferFacts(l, MailOrder{Recipient: vm.Recipient, IBAN: vm.IBAN, BIC: vm.BIC, Reference: vm.Number})...)
		}
	case "receipt":
		m.Subject = l.T("mail.invoice.receipt.subject", "Name", vm.ServerName)
		m.Lines = []string{l.T("mail.invoice.receipt.text", "Number", vm.Number, "Name", vm.ServerName)}
		m.Lead, m.Button, m.URL = l.T("mail.invoice.receipt.next"), l.T("payment.paid.next"), vm.ServerURL
	case "paid":
		m.Subject = l.T("mail.invoice.paid.subject", "Number", vm.Number)
		m.Lines = []string{l.T("mail.invoice.paid.text", "Number", vm.Number)}
	case "void":
		m.Subject = l.T("mail.invoice.void.subject", "Number", vm.Number)
		m.Lines = []string{l.T("mail.invoice.void.text", "Number", vm.Number, "Other", vm.Other)}
	default:
		return Mail{}, fmt.Errorf("no words for a bill that is %s", vm.Which)
	}
	return m.mail(l)
}

// DunningMail tells of a stage of dunning; the oldest bill is attached.
func DunningMail(l Locale, vm MailDunning) (Mail, error) {
	args := []any{"Number", vm.Number, "Name", vm.ServerName, "When", l.Date(vm.DeleteAt), "Days", vm.GraceDays}
	var subject, text string
	switch vm.Stage {
	case "overdue":
		subject, text = l.T("mail.dunning.overdue.subject", args...), l.T("mail.dunning.overdue.text", args...)
	case "restricted":
		subject, text = l.T("mail.dunning.restricted.subject", args...), l.T("mail.dunning.restricted.text", args...)
	case "suspended":
		subject, text = l.T("mail.dunning.suspended.subject", args...), l.T("mail.dunning.suspended.text", args...)
	case "announced":
		subject, text = l.T("mail.dunning.announced.subject", args...), l.T("mail.dunning.announced.text", args...)
	case "deleted":
		subject, text = l.T("mail.dunning.deleted.subject", args...), l.T("mail.dunning.deleted.text", args...)
	default:
		return Mail{}, fmt.Errorf("no words for stage %s", vm.Stage)
	}
	which := mailFact{l.T("payment.invoice"), vm.Number}
	if vm.Bills > 1 { // the amount is that of all of them
		which = mailFact{l.T("mail.dunning.bills"), l.Number(int64(vm.Bills))}
	}
	return letter{
		Subject: subject, Lines: []string{text},
		Facts:  []mailFact{which, {l.T("bill.left"), l.Money(vm.Amount, vm.Currency)}, {l.T("mail.dunning.since"), l.Date(vm.Due)}},
		Button: l.T("mail.dunning.button"), URL: vm.URL,
	}.mail(l)
}
