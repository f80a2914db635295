package pdf_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"hafen/controlplane/billing"
	"hafen/controlplane/billing/pdf"
	"hafen/tenant"
)

func day(d int) time.Time { return time.Date(2026, time.November, d, 9, 0, 0, 0, time.UTC) }

func euro(cents int64) tenant.Money { return tenant.Money{Cents: cents, Currency: "EUR"} }

var seller = billing.Party{
	Company: "Hafenbetrieb Müßiggang GmbH", Street: "Am Kai 1", Postcode: "20457", City: "Hamburg", Country: "DE", VATID: "DE136695976",
	TaxNumber: "22/123/45678", Email: "rechnung@hafen.example", Phone: "+49 40 123456", IBAN: "DE89370400440532013000", BIC: "COBADEFFXXX",
	Bank: "Commerzbank Köln", Register: "Amtsgericht Hamburg, HRB 12345", Director: "Jürgen Čapek",
}

func document(lines int) billing.Document {
	var list []billing.Line
	for i := range lines {
		line := billing.Line{Kind: billing.LinePlan, Text: "All-in", Quantity: 1, Unit: euro(1400), Net: euro(1400), VATRate: 19, From: day(1), Until: day(30).AddDate(0, 0, 1)}
		if i > 0 {
			line = billing.Line{Kind: billing.LineStorage, Text: fmt.Sprintf("Zusätzlicher Speicherplatz, Paket Nr. %d mit 50 GB für Räume und Medien", i), Quantity: i, Unit: euro(250), Net: euro(250).Times(i), VATRate: 19}
		}
		list = append(list, line)
	}
	return billing.Document{
		Invoice: billing.Invoice{
			Bill: billing.Sum("EUR", list), ID: "1", Number: "2026-000123", Status: billing.InvoiceOpen, Paid: euro(0),
			Start: day(1), End: day(30).AddDate(0, 0, 1), Issued: day(1), Due: day(15),
		},
		Kind: billing.KindInvoice, ServerName: "werft.example", Language: "de", Seller: seller,
		Buyer: billing.Party{Company: "Žižkov & Söhne s.r.o.", Name: "Anežka Dvořáková", Street: "Husitská 7", Postcode: "130 00", City: "Praha", Country: "CZ", VATID: "CZ12345678"},
	}
}

func printed(t *testing.T, d billing.Document) []byte {
	t.Helper()
	b, err := pdf.Printer{}.Print(d)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("HAFEN_TEST_PDF"); dir != "" { // to look at
		if err := os.WriteFile(dir+"/"+strings.ReplaceAll(t.Name(), "/", "-")+".pdf", b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

var (
	streams = regexp.MustCompile(`(?s)stream\n(.*?)\nendstream`)
	shown   = regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) ?Tj`)
	pages   = regexp.MustCompile(`/Type /Page\b[^s]`)
)

// text is what a PDF of fpdf's shows, a line for each piece: its strings are UTF-16 in inflated streams.
func text(t *testing.T, file []byte) string {
	t.Helper()
	var out strings.Builder
	for _, stream := range streams.FindAllSubmatch(file, -1) {
		r, err := zlib.NewReader(bytes.NewReader(stream[1]))
		if err != nil {
			continue // a font
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range shown.FindAllSubmatch(content, -1) {
			raw := regexp.MustCompile(`(?s)\\(.)`).ReplaceAllFunc(piece[1], func(m []byte) []byte {
				if m[1] == 'r' {
					return []byte("\r")
				}
				return m[1:]
			})
			units := make([]uint16, len(raw)/2)
			for i := range units {
				units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
			}
			out.WriteString(string(utf16.Decode(units)) + "\n")
		}
	}
	return out.String()
}

func contains(t *testing.T, got string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

// What §14 (4) UStG asks for, number by number.
func TestAnInvoiceSaysWhatTheLawAsksFor(t *testing.T) {
	t.Parallel()
	got := text(t, printed(t, document(3)))
	contains(t, got,
		"Hafenbetrieb Müßiggang GmbH", "Am Kai 1", "20457 Hamburg", "Žižkov & Söhne s.r.o.", "Husitská 7", "130 00 Praha", // 1
		"USt-IdNr. DE136695976", "CZ12345678", // 2
		"01.11.2026",             // 3
		"2026-000123",            // 4
		"All-in", "Zusätzlicher", // 5
		"01.11.2026 – 30.11.2026",     // 6
		"Summe netto", "21,50\u00a0€", // 7
		"zzgl. 19 % USt. auf 21,50\u00a0€", "4,09\u00a0€", "25,59\u00a0€", // 8
		"Bitte überweisen Sie 25,59\u00a0€ bis zum 15.11.2026", "DE89 3704 0044 0532 0130 00", "Verwendungszweck", "Seite 1 von 1",
	)
}

func TestInvoicesInEnglishAndWithoutTax(t *testing.T) {
	t.Parallel()
	for note, want := range map[billing.VATNote]string{
		billing.ReverseCharge: "Reverse charge", billing.SmallBusiness: "small business", billing.OutsideEU: "not taxable in Germany",
	} {
		t.Run(string(note), func(t *testing.T) {
			t.Parallel()
			d := document(2)
			d.Language, d.Note, d.Bill = "en", note, d.Bill.Under(note)
			got := text(t, printed(t, d))
			contains(t, got, "Invoice 2026-000123", "€16.50", "by 15 Nov 2026", want)
			if strings.Contains(got, "plus ") || strings.Contains(got, "3.14") {
				t.Errorf("it has tax:\n%s", got)
			}
		})
	}
}

func TestACancellationAsksForNoMoney(t *testing.T) {
	t.Parallel()
	d := document(1)
	d.Kind, d.Corrects, d.CorrectsIssued, d.Number, d.Bill = billing.KindCreditNote, "2026-000123", day(1), "2026-000130", d.Bill.Negative()
	got := text(t, printed(t, d))
	contains(t, got, "Stornorechnung 2026-000130", "2026-000123 vom 01.11.2026", "-16,66\u00a0€")
	if strings.Contains(got, "überweisen") {
		t.Error("it asks to pay")
	}
}

func TestManyLinesTakeMorePages(t *testing.T) {
	t.Parallel()
	file := printed(t, document(30))
	if n := len(pages.FindAll(file, -1)); n < 2 {
		t.Fatalf("%d pages", n)
	}
	got := text(t, file)
	contains(t, got, "Seite 1 von", "Seite 2 von", "Paket Nr. 29")
	if strings.Count(got, "Bezeichnung\n") < 2 {
		t.Error("the table's head is not on the second page")
	}
}

func TestTheSameDocumentIsTheSameBytes(t *testing.T) {
	t.Parallel()
	first := printed(t, document(12))
	for range 5 {
		if !bytes.Equal(first, printed(t, document(12))) {
			t.Fatal("another file")
		}
	}
}

// What was paid for before asks for no money again: neither in words, nor with a day, nor with a code.
func TestAPaidOrderAsksForNoMoney(t *testing.T) {
	t.Parallel()
	for language, thanks := range map[string]string{"de": "Der Betrag ist bereits bezahlt. Vielen Dank!", "en": "This amount has already been paid. Thank you!"} {
		d := document(1)
		d.Language, d.Status, d.Paid, d.PaidAt = language, billing.InvoicePaid, d.Gross, d.Issued
		got := text(t, printed(t, d))
		contains(t, got, thanks)
		for _, asks := range []string{"überweisen", "transfer", "Zahlbar bis", "Due by", "Verwendungszweck", "Reference", "scan"} {
			if strings.Contains(got, asks) {
				t.Errorf("%s: it says %q:\n%s", language, asks, got)
			}
		}
		// One that was paid later still is as it was issued.
		d.PaidAt = day(9)
		if got := text(t, printed(t, d)); strings.Contains(got, thanks) {
			t.Errorf("%s: it says that it was paid when it was issued", language)
		}
	}
}

// The law asks for the whole name (§14 (4) no. 1 UStG), and a server's for what was sold (no. 5): whatever their length.
func TestLongNamesAreWhole(t *testing.T) {
	t.Parallel()
	d := document(30)
	d.Seller.Company = "Gesellschaft für den Betrieb freier Nachrichtenserver in Norddeutschland und an der Küste mbH & Co. KG"
	d.Buyer = billing.Party{
		Company: "Donaudampfschifffahrtsgesellschaftskapitänswitwenversicherungsverein auf Gegenseitigkeit in Regensburg",
		Name:    "Dr. Anna-Katharina Freifrau von und zu Musterhausen-Oberndorf, Abteilung Beschaffung und Einkauf", Street: "Straße des Gedenkens an die erste Dampfschifffahrt von Wien nach Budapest im Jahre 1830 Nr. 117 b",
		Postcode: "93047", City: "Regensburg an der Donau in der Oberpfalz", Country: "AT", VATID: "ATU12345678",
	}
	d.ServerName = "gesellschaft-zur-foerderung-der-verstaendigung.arbeitsgruppe-nachrichten.verwaltung.landkreis-musterhausen.example"
	got := strings.Join(strings.Fields(text(t, printed(t, d))), "")
	for _, whole := range []string{d.Seller.Company, d.Buyer.Company, d.Buyer.Name, d.Buyer.Street, d.Buyer.City, string(d.ServerName)} {
		if !strings.Contains(got, strings.Join(strings.Fields(whole), "")) {
			t.Errorf("%q is cut in\n%s", whole, got)
		}
	}
}

// Nothing a customer types breaks the page.
func TestStrangeNames(t *testing.T) {
	t.Parallel()
	d := document(1)
	d.Buyer = billing.Party{Company: strings.Repeat("W", 200), Street: "a\nb\x00)\\(", City: "🦜 ẞ", Country: "DE"}
	d.ServerName = tenant.Domain(strings.Repeat("x", 200) + ".example")
	contains(t, text(t, printed(t, d)), "WWWWW")
	d.Buyer = billing.Party{Email: "anna@example.org"}
	d.Seller = billing.Party{}
	contains(t, text(t, printed(t, d)), "anna@example.org")
}

func TestTheTransferCode(t *testing.T) {
	t.Parallel()
	got, ok := document(1).GiroCode()
	if !ok || got != "BCD\n002\n1\nSCT\nCOBADEFFXXX\nHafenbetrieb Müßiggang GmbH\nDE89370400440532013000\nEUR16.66\n\n\n2026-000123" {
		t.Errorf("%q", got)
	}
}
