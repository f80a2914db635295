package templates

// VerifyMail asks to confirm an e-mail address.
func VerifyMail(l Locale, vm MailLink) (Mail, error) {
	return letter{
		Subject: l.T("mail.verify.subject"),
		Lines:   []string{l.T("mail.verify.text", "Email", vm.Email)},
		Button:  l.T("mail.verify.button"), URL: vm.URL,
		After: []string{l.T("mail.link.expires", "When", l.DateTime(vm.Expires)), l.T("mail.verify.not_you")},
	}.mail(l)
}

// KnownAddressMail answers a sign-up with an address that already has an account.
func KnownAddressMail(l Locale, vm MailKnownAddress) (Mail, error) {
	return letter{
		Subject: l.T("mail.known_address.subject"),
		Lines:   []string{l.T("mail.known_address.text", "Email", vm.Email)},
		Button:  l.T("nav.login"), URL: vm.LoginURL,
		After: []string{l.T("mail.known_address.forgot", "URL", vm.ForgotURL), l.T("mail.known_address.not_you")},
	}.mail(l)
}

// PasswordResetMail carries the link to set a new password.
func PasswordResetMail(l Locale, vm MailLink) (Mail, error) {
	return letter{
		Subject: l.T("mail.password_reset.subject"),
		Lines:   []string{l.T("mail.password_reset.text", "Email", vm.Email)},
		Button:  l.T("reset.submit"), URL: vm.URL,
		After: []string{l.T("mail.link.expires", "When", l.DateTime(vm.Expires)), l.T("mail.password_reset.not_you")},
	}.mail(l)
}

// PasswordChangedMail warns that the password was changed.
func PasswordChangedMail(l Locale, vm MailPasswordChanged) (Mail, error) {
	facts := []mailFact{{l.T("mail.when"), l.DateTime(vm.At)}}
	if vm.Address != "" {
		facts = append(facts, mailFact{l.T("account.sessions.address"), vm.Address})
	}
	return letter{
		Subject: l.T("mail.password_changed.subject"),
		Lines:   []string{l.T("mail.password_changed.text", "Email", vm.Email)},
		Facts:   facts,
		Lead:    l.T("mail.password_changed.not_you"),
		Button:  l.T("mail.password_changed.button"), URL: vm.ForgotURL,
	}.mail(l)
}

// OrderReceivedMail confirms an order and says how to pay it.
func OrderReceivedMail(l Locale, vm MailOrder) (Mail, error) {
	m := letter{
		Subject: l.T("mail.order_received.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.order_received.text", "Name", vm.ServerName)},
		Facts:   orderMailFacts(l, vm),
		Button:  l.T("mail.order_received.button"), URL: vm.OrderURL,
	}
	if vm.Outside {
		m.Lead, m.Button = l.T("mail.order_received.outside"), l.T("mail.order_received.outside.button")
		return m.mail(l)
	}
	m.Lead = l.T("mail.order_received.pay")
	m.Facts = append(m.Facts, transferFacts(l, vm)...)
	return m.mail(l)
}

// transferFacts are what a transfer needs, as far as the operator has said it.
func transferFacts(l Locale, vm MailOrder) []mailFact {
	var facts []mailFact
	for _, f := range []mailFact{
		{l.T("payment.recipient"), vm.Recipient},
		{"IBAN", vm.IBAN},
		{"BIC", vm.BIC},
		{l.T("payment.reference"), vm.Reference},
	} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return facts
}

// PaymentReceivedMail confirms a payment for which there is no invoice of our own.
func PaymentReceivedMail(l Locale, vm MailOrder) (Mail, error) {
	m := letter{
		Subject: l.T("mail.payment_received.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.payment_received.text", "Name", vm.ServerName)},
		Facts:   orderMailFacts(l, vm),
		Lead:    l.T("mail.invoice.receipt.next"),
		Button:  l.T("payment.paid.next"), URL: vm.OrderURL,
	}
	if vm.Outside {
		m.Lead = l.T("mail.payment_received.bill")
	}
	return m.mail(l)
}

func orderMailFacts(l Locale, vm MailOrder) []mailFact {
	return []mailFact{
		{l.T("payment.order"), vm.Number},
		{l.T("plan.word"), vm.PlanName},
		{l.T("price.net"), l.Money(vm.Price.Net, vm.Price.Currency)},
		{vatLabel(l, vm.Price), l.Money(vm.Price.VAT, vm.Price.Currency)},
		{l.T("price.gross"), l.Money(vm.Price.Gross, vm.Price.Currency)},
	}
}

// ServerReadyMail tells that a server works.
func ServerReadyMail(l Locale, vm MailServer) (Mail, error) {
	return letter{
		Subject: l.T("mail.server_ready.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.server_ready.text", "Name", vm.ServerName)},
		Facts:   []mailFact{{l.T("ready.homeserver"), vm.ServerName}, {l.T("order.fact.admin"), vm.AdminID}},
		Button:  l.T("mail.server_ready.button"), URL: vm.ServerURL,
	}.mail(l)
}

// DomainProblemMail tells that the records of a domain are not (or no longer) right.
func DomainProblemMail(l Locale, vm MailServer) (Mail, error) {
	return letter{
		Subject: l.T("mail.domain_problem.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.domain_problem.text", "Name", vm.ServerName), l.Coded("record", vm.Code, nil)},
		Button:  l.T("mail.domain_problem.button"), URL: vm.ServerURL,
	}.mail(l)
}

// ServerSuspendedMail tells that a server was suspended, and why.
func ServerSuspendedMail(l Locale, vm MailServer) (Mail, error) {
	return letter{
		Subject: l.T("mail.server_suspended.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.server_suspended.text", "Name", vm.ServerName), l.Coded("suspended", vm.Code, nil)},
		Button:  l.T("payment.paid.next"), URL: vm.ServerURL,
	}.mail(l)
}

// ServerResumedMail tells that a server works again.
func ServerResumedMail(l Locale, vm MailServer) (Mail, error) {
	return letter{
		Subject: l.T("mail.server_resumed.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.server_resumed.text", "Name", vm.ServerName)},
		Button:  l.T("payment.paid.next"), URL: vm.ServerURL,
	}.mail(l)
}

// DeletionAnnouncedMail tells that a server was stopped and when its data goes.
func DeletionAnnouncedMail(l Locale, vm MailServer) (Mail, error) {
	return letter{
		Subject: l.T("mail.deletion_announced.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.deletion_announced.text", "Name", vm.ServerName, "When", l.DateTime(vm.DeleteAt))},
		Lead:    l.T("mail.deletion_announced.undo"),
		Button:  l.T("dashboard.deleting.restore"), URL: vm.ServerURL,
	}.mail(l)
}

// ServerDeletedMail tells that a server and its data are gone.
func ServerDeletedMail(l Locale, vm MailServer) (Mail, error) {
	return letter{
		Subject: l.T("mail.server_deleted.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.server_deleted.text", "Name", vm.ServerName), l.T("delete.name")},
	}.mail(l)
}

// SettingsRolledBackMail tells that a change of settings made the server fail and was taken back.
func SettingsRolledBackMail(l Locale, vm MailServer) (Mail, error) {
	return letter{
		Subject: l.T("mail.settings_rolled_back.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.settings_rolled_back.text", "Name", vm.ServerName)},
		Button:  l.T("mail.settings_rolled_back.button"), URL: vm.ServerURL + "/settings",
	}.mail(l)
}

// PlanKeptMail tells that a booked plan did not begin because what is used does not fit it.
func PlanKeptMail(l Locale, vm MailServer) (Mail, error) {
	return letter{
		Subject: l.T("mail.plan_kept.subject", "Name", vm.ServerName),
		Lines:   []string{l.T("mail.plan_kept.text", "Name", vm.ServerName)},
		Button:  l.T("mail.plan_kept.button"), URL: vm.ServerURL + "/plan",
	}.mail(l)
}
