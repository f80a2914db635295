package controlplane

import "time"

// SecurityMail tells an account's owner that the way into it has changed, so that whoever did not do it hears of it.
type SecurityMail struct {
	Which   SecurityEvent
	Email   string
	At      time.Time
	Address string // of the one who did it, "" for nobody the owner knows
	Name    string // of a passkey, or the address that counts from now on
	Left    int    // recovery codes
	Undo    string // secret of the link that takes a change of address back, "" for none
}

// SecurityEvent is what has changed.
type SecurityEvent string

// What is told.
const (
	SecurityAppAdded       SecurityEvent = "app_added"
	SecurityAppRemoved     SecurityEvent = "app_removed"
	SecurityPasskeyAdded   SecurityEvent = "passkey_added"
	SecurityPasskeyRemoved SecurityEvent = "passkey_removed"
	SecurityPasskeyCopied  SecurityEvent = "passkey_copied"
	SecurityCodeUsed       SecurityEvent = "code_used"
	SecurityCodesRenewed   SecurityEvent = "codes_renewed"
	SecurityGuessed        SecurityEvent = "guessed"
	SecurityReset          SecurityEvent = "reset"
	SecurityEmailChanged   SecurityEvent = "email_changed"
	SecurityEmailRestored  SecurityEvent = "email_restored"
)

// SecurityEvents lists them all.
var SecurityEvents = []SecurityEvent{
	SecurityAppAdded, SecurityAppRemoved, SecurityPasskeyAdded, SecurityPasskeyRemoved, SecurityPasskeyCopied, SecurityCodeUsed,
	SecurityCodesRenewed, SecurityGuessed, SecurityReset, SecurityEmailChanged, SecurityEmailRestored,
}

func (SecurityMail) mailContent() {}

// security writes a mail to an account's owner.
func (a *Accounts) security(account Account, m SecurityMail) (Mail, error) {
	m.Email, m.At, m.Address = account.Email, a.Now(), clip(m.Address, 60)
	return a.render(account.Email, account.Language, m)
}
