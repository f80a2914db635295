package pdf

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// words are the fixed texts of an invoice in one language. They are here and not in the screens' message files because an
// invoice is a record: its words belong to its form.
type words struct {
	title, number, date, due, period, order, vatID, buyerVATID, corrects  string
	pos, text, quantity, unit, amount                                     string
	net, vat, gross                                                       string
	pay, recipient, iban, bic, bank, reference, payUntil, scan, taxNumber string
	director, register, phone, page, on, coupon, proration, paidAll       string
	dateForm                                                              string
	notes                                                                 map[billing.VATNote]string
}

var german = words{
	title: "Rechnung", number: "Rechnungsnummer", date: "Rechnungsdatum", due: "Zahlbar bis", period: "Leistungszeitraum", order: "Server",
	vatID: "USt-IdNr.", buyerVATID: "Ihre USt-IdNr.", corrects: "Storniert Rechnung",
	pos: "Pos.", text: "Bezeichnung", quantity: "Menge", unit: "Einzelpreis", amount: "Betrag",
	net: "Summe netto", vat: "zzgl. %d %% USt. auf %s", gross: "Gesamtbetrag",
	pay: "Bitte überweisen Sie %s bis zum %s auf dieses Konto:", recipient: "Empfänger", iban: "IBAN", bic: "BIC", bank: "Bank",
	reference: "Verwendungszweck", payUntil: "Zahlbar bis", scan: "Mit der Banking-App scannen", taxNumber: "Steuernummer",
	director: "Geschäftsführung", register: "", phone: "Telefon", page: "Seite %d von {nb}", on: "vom",
	coupon: "Gutschein %s", proration: "anteilig", paidAll: "Es ist nichts zu zahlen.",
	dateForm: "02.01.2006",
	notes: map[billing.VATNote]string{
		billing.ReverseCharge: "Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge, § 13b UStG).",
		billing.SmallBusiness: "Gemäß § 19 UStG wird keine Umsatzsteuer berechnet.",
		billing.OutsideEU:     "Nicht im Inland steuerbare Leistung (§ 3a Abs. 2 UStG).",
	},
}

var english = words{
	title: "Invoice", number: "Invoice number", date: "Invoice date", due: "Due by", period: "Period of supply", order: "Server",
	vatID: "VAT ID", buyerVATID: "Your VAT ID", corrects: "Cancels invoice",
	pos: "No.", text: "Description", quantity: "Quantity", unit: "Unit price", amount: "Amount",
	net: "Net total", vat: "plus %d%% VAT on %s", gross: "Total",
	pay: "Please transfer %s by %s to this account:", recipient: "Recipient", iban: "IBAN", bic: "BIC", bank: "Bank",
	reference: "Reference", payUntil: "Due by", scan: "Scan with your banking app", taxNumber: "Tax number",
	director: "Managing director", register: "", phone: "Phone", page: "Page %d of {nb}", on: "of",
	coupon: "Coupon %s", proration: "pro rata", paidAll: "There is nothing to pay.",
	dateForm: "2 Jan 2006",
	notes: map[billing.VATNote]string{
		billing.ReverseCharge: "Reverse charge: the recipient of the service owes the VAT (Art. 196 of Directive 2006/112/EC).",
		billing.SmallBusiness: "No VAT is charged, as the supplier is a small business (§ 19 UStG).",
		billing.OutsideEU:     "Service not taxable in Germany (§ 3a (2) UStG).",
	},
}

func wordsFor(d billing.Document) words {
	w := german
	if d.Language == "en" {
		w = english
	}
	if d.Settled() && d.Gross.Cents > 0 {
		w.paidAll = "Der Betrag ist bereits bezahlt. Vielen Dank!"
		if d.Language == "en" {
			w.paidAll = "This amount has already been paid. Thank you!"
		}
	}
	if d.Kind == billing.KindCreditNote {
		if d.Language == "en" {
			w.title, w.number, w.date = "Cancellation invoice", "Number", "Date"
			w.paidAll = "This cancels the invoice named above in full. What was already paid for it is returned to you."
		} else {
			w.title, w.number, w.date = "Stornorechnung", "Nummer", "Datum"
			w.paidAll = "Damit ist die oben genannte Rechnung vollständig storniert. Bereits Gezahltes wird Ihnen erstattet."
		}
	}
	return w
}

func (w words) day(t time.Time) string { return t.In(tenant.Zone).Format(w.dateForm) }

// span is a period from its first day to its last: the next one begins on the day it ends.
func (w words) span(from, until time.Time) string {
	first, last := w.day(from), w.day(until.In(tenant.Zone).AddDate(0, 0, -1))
	if first == last || !until.In(tenant.Zone).AddDate(0, 0, -1).After(from) {
		return first
	}
	return first + " – " + last
}

// money is "1.234,50 €" or "€1,234.50".
func (w words) money(m tenant.Money) string {
	point, thousands := ",", "."
	if w.dateForm == english.dateForm {
		point, thousands = ".", ","
	}
	sign, cents := "", m.Cents
	if cents < 0 {
		sign, cents = "-", -cents
	}
	whole := strconv.FormatInt(cents/100, 10)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + thousands + whole[i:]
	}
	amount := fmt.Sprintf("%s%s%02d", whole, point, cents%100)
	switch {
	case point == ",":
		return sign + amount + "\u00a0" + strings.Replace(m.Currency, "EUR", "€", 1)
	case m.Currency == "EUR":
		return sign + "€" + amount
	default:
		return sign + m.Currency + "\u00a0" + amount
	}
}
