package templates

// InviteMail carries an invite.
func InviteMail(l Locale, vm MailInvite) (Mail, error) {
	return letter{
		Subject: l.T("mail.invite.subject", "Name", vm.Name),
		Lines:   []string{l.T("mail.invite.text", "By", vm.InvitedBy, "Name", vm.Name), l.T("mail.invite.how")},
		Button:  l.T("mail.invite.button"), URL: vm.URL,
		After: []string{l.T("mail.invite.expires", "When", l.DateTime(vm.Expires)), l.T("mail.invite.not_you")},
	}.mail(l)
}

// MemberPasswordMail carries a set-password link.
func MemberPasswordMail(l Locale, vm MailMemberPassword) (Mail, error) {
	subject, text := l.T("mail.member_password.subject", "Name", vm.Name), l.T("mail.member_password.text", "ID", vm.MatrixID)
	if vm.New {
		subject, text = l.T("mail.member_password.subject.new", "Name", vm.Name), l.T("mail.member_password.text.new", "Name", vm.Name, "ID", vm.MatrixID)
	}
	return letter{
		Subject: subject,
		Lines:   []string{text},
		Facts:   []mailFact{{l.T("ready.homeserver"), vm.Name}, {l.T("ready.id"), vm.MatrixID}},
		Button:  l.T("reset.submit"), URL: vm.URL,
		After: []string{l.T("mail.member_password.expires", "When", l.DateTime(vm.Expires)), l.T("mail.invite.not_you")},
	}.mail(l)
}
