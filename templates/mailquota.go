package templates

// QuotaMail warns the owner of a server.
func QuotaMail(l Locale, vm MailQuota) (Mail, error) {
	subject, lead := ".subject", ".next"
	if vm.full() {
		subject, lead = ".full.subject", ".full"
	}
	say := func(code string) string { return l.Coded("mail.quota", vm.Kind+code, vm.blanks(l)) }
	return letter{
		Subject: say(subject),
		Lines:   []string{say(".text")},
		Lead:    say(lead),
		Button:  l.T("mail.quota.button"), URL: vm.PlanURL,
		After: []string{say(".clean")},
	}.mail(l)
}

// QuotaNotice is what the administrators of a server read on it.
func QuotaNotice(l Locale, vm MailQuota) string {
	code := vm.Kind
	if vm.full() {
		code += ".full"
	}
	return l.Coded("notice.quota", code, vm.blanks(l))
}

func (vm MailQuota) full() bool { return vm.Level >= 100 }

func (vm MailQuota) blanks(l Locale) map[string]string {
	amount := l.Bytes
	if vm.Kind == "seats" {
		amount = l.Number
	}
	return map[string]string{
		"Name": vm.ServerName, "Percent": l.Percent(float64(vm.Level) / 100), "Used": amount(vm.Used), "Limit": amount(vm.Limit),
		"Plan": vm.PlanURL, "Clean": vm.CleanURL,
	}
}
