package templates

import (
	"strconv"
	"strings"
	"time"
)

// States of a bill, with the words `bill.state.<name>`.
const (
	BillOpen    = "open"
	BillOverdue = "overdue"
	BillPaid    = "paid"
	BillVoid    = "void"
	BillCredit  = "credit" // a cancellation
	// BillDisputed is of the filter only: a bank has asked for its money back, and that is not decided.
	BillDisputed = "disputed"
)

// Bill is one invoice or cancellation in a list.
type Bill struct {
	ID, Number         string
	ServerID, Server   string
	Customer           string // for operators
	State              string
	Issued, Due        time.Time
	PaidAt             time.Time // zero while it is not
	Net, VAT, Gross    int64
	Paid               int64
	Currency           string
	PDF                bool   // of our own
	URL                string // where the provider shows it, and takes the money
	Corrects, Followed string // numbers: what it takes back, what took it back
	// What the customer's bank wants of it: "" or `bill.dispute.<status>`, how much, and until when the operator may answer.
	Dispute   string
	Disputed  int64
	RespondBy time.Time
}

// left is what is still to be paid.
func (b Bill) left() int64 {
	if b.State == BillOpen || b.State == BillOverdue {
		return b.Gross - b.Paid
	}
	return 0
}

// Owed is the banner of a server whose bills were not paid in time.
type Owed struct {
	Stage         string // `owed.title.<stage>`, `owed.text.<stage>`
	Amount        int64
	Currency      string
	Due, DeleteAt time.Time
	PausedUntil   time.Time // zero when dunning does not wait
	PayURL        string    // "" for those who may not
}

// Bills is /servers/{id}/bills.
type Bills struct {
	Server Server
	Rows   []Bill
	// AskAddress says that nobody has said yet who pays.
	AskAddress bool
}

// AccountBills is /account/bills: the bills of all servers, also of those that are gone.
type AccountBills struct {
	Rows       []Bill
	AskAddress bool
}

// BillDetail is /servers/{id}/bills/{bill}: what it is for, and how to pay.
type BillDetail struct {
	Server Server
	Bill   Bill
	Lines  []BillItem
	Taxes  []BillTax
	Note   string // `bill.note.<code>`, "" for none
	// Where to transfer to; empty fields are not shown.
	Recipient, IBAN, BIC, Reference string
	Code                            string // what a banking app reads, "" for none
}

// BillItem is one line of a bill.
type BillItem struct {
	Text        string
	Quantity    int
	Unit, Net   int64
	From, Until time.Time
}

// BillTax is the tax of one rate.
type BillTax struct {
	Percent  int
	Net, VAT int64
}

// BillingProfile is /account/billing. Fields: company, name, street, postcode, city, country, vat_id.
type BillingProfile struct {
	Form Form
}

func disputeTone(status string) Tone {
	switch status {
	case "won", "warning_closed":
		return ToneNeutral
	case "lost":
		return ToneBad
	default:
		return ToneWarn
	}
}

func billTone(state string) Tone {
	switch state {
	case BillPaid:
		return ToneGood
	case BillOpen:
		return ToneInfo
	case BillOverdue:
		return ToneBad
	default:
		return ToneNeutral
	}
}

func owedTone(o Owed) Tone {
	if o.Stage == "overdue" {
		return ToneWarn
	}
	return ToneBad
}

// countries are those to choose from first; anybody else's is in the list all the same.
var countries = []string{
	"DE", "AT", "CH", "LI", "LU", "BE", "BG", "CY", "CZ", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT", "LT", "LV", "MT", "NL",
	"NO", "PL", "PT", "RO", "SE", "SI", "SK", "US",
}

func profileFields(l Locale) []field {
	return []field{
		{Name: "company", Label: l.T("party.company"), Autocomplete: "organization", MaxLength: "100", Optional: true},
		{Name: "name", Label: l.T("party.name"), Autocomplete: "name", MaxLength: "100", Optional: true, Help: l.T("party.name.help")},
		{Name: "street", Label: l.T("party.street"), Autocomplete: "street-address", MaxLength: "100"},
		{Name: "postcode", Label: l.T("party.postcode"), Autocomplete: "postal-code", MaxLength: "100"},
		{Name: "city", Label: l.T("party.city"), Autocomplete: "address-level2", MaxLength: "100"},
	}
}

func vatIDField(l Locale) field {
	return field{Name: "vat_id", Label: l.T("party.vat_id"), MaxLength: "40", Optional: true, Help: l.T("party.vat_id.help")}
}

func billTitle(l Locale, b Bill) string {
	if b.State == BillCredit {
		return l.T("bill.title.credit", "Number", b.Number)
	}
	return l.T("bill.title", "Number", b.Number)
}

func billURL(b Bill) string { return string(link("/servers/", b.ServerID, "/bills/", b.ID)) }

// Cents writes an amount as a form wants it: "12,50" or "12.50".
func Cents(l Locale, cents int64) string {
	point := "."
	if l.Code() == "de" {
		point = ","
	}
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	rest := strconv.FormatInt(cents%100, 10)
	return sign + strconv.FormatInt(cents/100, 10) + point + strings.Repeat("0", 2-len(rest)) + rest
}
