package billing

import (
	"maps"
	"slices"
	"time"

	"hafen/tenant"
)

// InvoiceKind tells an invoice from what takes one back.
type InvoiceKind string

// The kinds.
const (
	KindInvoice    InvoiceKind = "invoice"
	KindCreditNote InvoiceKind = "credit_note" // Stornorechnung: all of an invoice, negative
)

// Document is an invoice with all that it says. It holds what EN 16931 asks for, so that an e-invoice can be written from it
// (its business terms are named beside the fields).
type Document struct {
	Invoice                      // BT-1, BT-2, BT-9, BG-14, BG-22
	Kind           InvoiceKind   // BT-3
	Tenant         tenant.ID     //
	ServerName     tenant.Domain // what it is for
	Account        string        //
	Language       string        // "de" or "en"
	Seller         Party         // BG-4
	Buyer          Party         // BG-7
	Note           VATNote       // BT-120
	Corrects       string        // number of the invoice that a credit note takes back, BT-25
	CorrectsIssued time.Time     // BT-26
	CorrectedBy    string        // number of its credit note
	Provider       string        // "invoice" or "stripe"
}

// TypeCode is BT-3 (UNTDID 1001).
func (d Document) TypeCode() string {
	if d.Kind == KindCreditNote {
		return "384" // corrected invoice: "credit note" (381) would have positive amounts
	}
	return "380"
}

// FileName is what a document is called on somebody's disk.
func (d Document) FileName() string {
	name := map[string]string{"invoice.de": "Rechnung", "credit_note.de": "Stornorechnung", "invoice.en": "Invoice", "credit_note.en": "Cancellation"}
	return name[string(d.Kind)+"."+d.Language] + "-" + d.Number + ".pdf"
}

// PaymentMeans is BT-81 (UNTDID 4461): a SEPA credit transfer.
const PaymentMeans = "58"

// Reference is what a transfer says, BT-83.
func (d Document) Reference() string { return d.Number }

// DueBy is until when a bill is paid in time that was issued at a moment and names the day so many days later: until that day ends.
func DueBy(issued time.Time, days int) time.Time {
	year, month, day := issued.In(tenant.Zone).Date()
	return time.Date(year, month, day+days+1, 0, 0, -1, 0, tenant.Zone).UTC()
}

// Settled reports whether a bill was paid when it was issued, as that of an order is that was paid for before.
func (d Document) Settled() bool { return !d.PaidAt.IsZero() && d.PaidAt.Equal(d.Issued) }

// Open is what is still to be paid, BT-115.
func (d Document) Open() tenant.Money {
	if d.Status == InvoicePaid || d.Status == InvoiceVoid {
		return tenant.Money{Currency: d.Gross.Currency}
	}
	return d.Gross.Plus(d.Paid.Negative())
}

// UnitCode is BT-130 (UN/ECE recommendation 20): what a line's quantity counts.
func (l Line) UnitCode() string {
	days := l.Until.Sub(l.From).Hours() / 24
	switch {
	case l.Kind != LinePlan || l.From.IsZero():
		return "C62" // one
	case days > 360:
		return "ANN"
	case days > 27 && days < 32:
		return "MON"
	default:
		return "C62"
	}
}

// Tax is the sum of one rate, BG-23.
type Tax struct {
	Category string // BT-118 (UNTDID 5305): S standard, AE reverse charge, E exempt, O not subject to tax, Z zero
	Rate     int
	Net, VAT tenant.Money
}

// Taxes are the sums by rate; their tax is the bill's, to the cent.
func (d Document) Taxes() []Tax {
	byRate := map[int]tenant.Money{}
	for _, line := range d.Lines {
		sum, seen := byRate[line.VATRate]
		if !seen {
			sum.Currency = d.Net.Currency
		}
		byRate[line.VATRate] = sum.Plus(line.Net)
	}
	var taxes []Tax
	for _, rate := range slices.Backward(slices.Sorted(maps.Keys(byRate))) {
		taxes = append(taxes, Tax{Category: category(d.Note, rate), Rate: rate, Net: byRate[rate], VAT: byRate[rate].VAT(rate)})
	}
	return taxes
}

func category(note VATNote, rate int) string {
	switch {
	case note == ReverseCharge:
		return "AE"
	case note == SmallBusiness:
		return "E"
	case note == OutsideEU:
		return "O"
	case rate == 0:
		return "Z"
	default:
		return "S"
	}
}

// Negative is the bill that takes this one back.
func (b Bill) Negative() Bill {
	lines := make([]Line, len(b.Lines))
	for i, line := range b.Lines {
		line.Unit, line.Net = line.Unit.Negative(), line.Net.Negative()
		lines[i] = line
	}
	return Bill{Lines: lines, Net: b.Net.Negative(), VAT: b.VAT.Negative(), Gross: b.Gross.Negative()}
}
