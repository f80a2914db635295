package templates

import "time"

// Mail is a message ready to send, in one language.
type Mail struct {
	Subject string
	Text    string
	HTML    string
}

// MailLink is what verification, reset and set-password mails need.
type MailLink struct {
	Email   string
	URL     string
	Expires time.Time
}

// MailKnownAddress answers a sign-up with an address that has an account.
type MailKnownAddress struct {
	Email     string
	LoginURL  string
	ForgotURL string
}

// MailPasswordChanged tells that a password was changed.
type MailPasswordChanged struct {
	Email     string
	At        time.Time
	Address   string
	ForgotURL string
}

// MailOrder is the order confirmation with its invoice, and the receipt of the payment.
type MailOrder struct {
	ServerName    string
	PlanName      string
	InvoiceNumber string
	Price         Price
	Recipient     string
	IBAN, BIC     string
	Reference     string
	OrderURL      string
	// Paid is set where nothing is left to pay: trial mode, or the receipt.
	Paid bool
}

// MailServer is about one server.
type MailServer struct {
	ServerName string
	ServerURL  string // its page in the dashboard
	AdminID    string
	// Code is the reason where there is one: an error code, or a reason of suspension.
	Code string
	// DeleteAt is when the data goes for good.
	DeleteAt time.Time
}

// MailInvite carries an invite to somebody who may never have heard of Matrix.
type MailInvite struct {
	MailLink
	Name      string // what people call the server
	InvitedBy string
}

// MailMemberPassword carries a set-password link to a member.
type MailMemberPassword struct {
	MailLink
	Name     string
	MatrixID string
	New      bool // the account was made for them just now
}

// MailQuota warns that a server nears a limit, or has reached it.
type MailQuota struct {
	ServerName  string
	Kind        string // "storage", "seats"
	Level       int    // per cent
	Used, Limit int64  // bytes, or seats
	PlanURL     string // where more is to be had
	CleanURL    string // where room can be made
}

// MailBill is about one bill: that it was issued, paid, or taken back.
type MailBill struct {
	Which      string // "issued", "paid", "void"
	Number     string
	Other      string // number of the invoice that is taken back
	ServerName string
	Amount     int64
	Currency   string
	Due        time.Time
	Open       bool // money is awaited
	Recipient  string
	IBAN, BIC  string
	URL        string
}

// MailDunning tells of a stage of dunning.
type MailDunning struct {
	Stage      string
	Number     string
	ServerName string
	Amount     int64
	Currency   string
	Due        time.Time
	DeleteAt   time.Time
	URL        string
}
