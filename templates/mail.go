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

// MailOrder confirms an order and says how to pay it, or confirms a payment that a provider took.
type MailOrder struct {
	ServerName string
	PlanName   string
	Number     string // of the order
	Price      Price
	Recipient  string
	IBAN, BIC  string
	Reference  string
	OrderURL   string
	Outside    bool // a provider takes the money, and writes the bill
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
	Which      string // "issued", "receipt", "paid", "void"
	Number     string
	Other      string // number of the invoice that is taken back
	ServerName string
	Amount     int64
	Currency   string
	Due        time.Time
	Left       int64 // of Amount, that is awaited
	Recipient  string
	IBAN, BIC  string
	URL        string
	ServerURL  string
}

// MailDunning tells of a stage of dunning.
type MailDunning struct {
	Stage      string
	Number     string // of the oldest bill
	Bills      int    // that are open
	ServerName string
	Amount     int64 // of all that are open
	Currency   string
	Due        time.Time
	DeleteAt   time.Time
	GraceDays  int // until the data is gone, once deletion has begun
	URL        string
}
