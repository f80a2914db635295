package templates

import (
	"strconv"
	"time"
)

// OperatorBills is /operator/invoices?state=&q=&page=. The export is /operator/invoices.csv?from=&until=.
type OperatorBills struct {
	Rows  []Bill
	State string // filter, "" for all
	Query string
	Pager Pager
	// MissingSeller says that invoices cannot yet name who sells.
	MissingSeller bool
	From, Until   string // of the export, "2026-10-01"
}

// OperatorBill is /operator/invoices/{id}. Actions post to it with /paid (amount, day, note) and /void (reason).
type OperatorBill struct {
	BillDetail
	Payments []BillPayment
	CanBook  bool
	CanVoid  bool
	PayForm  Form
	VoidForm Form
}

// BillPayment is money that came.
type BillPayment struct {
	On       time.Time
	Amount   int64
	Note, By string
}

// OperatorBilling is /operator/billing: who sells, and after how many days what happens. Fields are those of sellerFields and
// dunningFields, posted to the same address.
type OperatorBilling struct{ Form Form }

// Dunning is what an operator sees of a server's bills. The pause posts until and note to /operator/servers/{id}/pause; an empty
// day ends it.
type Dunning struct {
	Known       bool // somebody pays for this server, or should
	Stage       string
	Since       time.Time
	Bills       int // that are open
	Amount      int64
	Currency    string
	Due         time.Time
	DeleteAt    time.Time
	PausedUntil time.Time
	Note        string
}

func sellerFields(l Locale) []field {
	return []field{
		{Name: "company", Label: l.T("party.company"), MaxLength: "100", Optional: true},
		{Name: "name", Label: l.T("party.name"), MaxLength: "100", Optional: true},
		{Name: "street", Label: l.T("party.street"), MaxLength: "100"},
		{Name: "postcode", Label: l.T("party.postcode"), MaxLength: "100"},
		{Name: "city", Label: l.T("party.city"), MaxLength: "100"},
	}
}

func sellerMoreFields(l Locale) []field {
	return []field{
		{Name: "vat_id", Label: l.T("party.vat_id"), MaxLength: "40", Optional: true},
		{Name: "tax_number", Label: l.T("party.tax_number"), MaxLength: "40", Optional: true, Help: l.T("party.tax_number.help")},
		{Name: "email", Label: l.T("field.email"), Type: "email", MaxLength: "100", Optional: true},
		{Name: "phone", Label: l.T("party.phone"), MaxLength: "40", Optional: true},
		{Name: "iban", Label: "IBAN", MaxLength: "50", Optional: true, Help: l.T("party.iban.help")},
		{Name: "bic", Label: "BIC", MaxLength: "20", Optional: true},
		{Name: "bank", Label: l.T("party.bank"), MaxLength: "100", Optional: true},
		{Name: "register", Label: l.T("party.register"), MaxLength: "100", Optional: true, Help: l.T("party.register.help")},
		{Name: "director", Label: l.T("party.director"), MaxLength: "100", Optional: true},
	}
}

func dunningFields(l Locale) []field {
	var list []field
	for _, name := range []string{"due_days", "remind_days", "restrict_days", "suspend_days", "announce_days", "delete_days"} {
		list = append(list, field{Name: name, Label: l.Coded("billing.field", name, nil), Help: l.Coded("billing.help", name, nil), InputMode: "numeric", MaxLength: "3"})
	}
	return list
}

func allSellerFields(l Locale) []field {
	return append(append(sellerFields(l), sellerMoreFields(l)...), dunningFields(l)...)
}

func paymentFields(l Locale) []field {
	return []field{
		{Name: "amount", Label: l.T("operator.amount"), InputMode: "decimal", MaxLength: "20"},
		{Name: "day", Label: l.T("bill.day"), Type: "date"},
		{Name: "note", Label: l.T("operator.note"), MaxLength: "500", Optional: true},
	}
}

// InvoicesCSVHead is the first row of an export for a tax adviser.
func InvoicesCSVHead(l Locale) []string {
	return csvRow(l.T("bill.number"), l.T("bill.issued"), l.T("bill.customer"), l.T("bill.net"), l.T("csv.vat_rate"), l.T("csv.vat"), l.T("bill.gross"),
		l.T("csv.currency"), l.T("bill.paid_on"), l.T("members.state"), l.T("csv.vat_note"))
}

// InvoicesCSVRow is the part of one invoice that one rate of tax applies to.
func InvoicesCSVRow(l Locale, b Bill, tax BillTax, note string) []string {
	paid := ""
	if !b.PaidAt.IsZero() {
		paid = l.Date(b.PaidAt)
	}
	row := csvRow(b.Number, l.Date(b.Issued), b.Customer, "", strconv.Itoa(tax.Percent), "", "", b.Currency, paid, l.Coded("bill.state", b.State, nil), note)
	// Numbers may begin with a minus: they are ours, and no formulas.
	row[3], row[5], row[6] = Cents(l, tax.Net), Cents(l, tax.VAT), Cents(l, tax.Net+tax.VAT)
	return row
}
