// Package pdf prints invoices.
//
// A document always becomes the same bytes, so that one that was printed twice by two processes is still one. The page follows
// the German business letter (DIN 5008, form B: the address shows in an envelope's window).
package pdf

import (
	"bytes"
	"fmt"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/liberation/liberationsansbold"
	"github.com/go-fonts/liberation/liberationsansregular"

	"hafen/controlplane/billing"
)

// Printer prints invoices. Its zero value works.
type Printer struct{}

// Measures in millimetres.
const (
	left, right   = 25.0, 20.0
	pageWidth     = 210.0
	pageHeight    = 297.0
	width         = pageWidth - left - right
	footer        = 34.0 // kept free at the foot of each page
	addressTop    = 45.0
	titleTop      = 100.0
	continuedTop  = 30.0
	lineHeight    = 4.6
	factsColumn   = 120.0
	factsLabel    = 34.0
	columnPos     = 11.0
	columnAmount  = 27.0
	columnUnit    = 27.0
	columnNumber  = 17.0
	columnText    = width - columnPos - columnAmount - columnUnit - columnNumber
	mostAddressee = 42.0 // letters of a line in the window
)

// Print makes the PDF of a document.
func (Printer) Print(d billing.Document) ([]byte, error) {
	d.Status, d.Paid.Cents = billing.InvoiceOpen, 0 // as it was issued, whenever it is printed: see Document.Settled
	s := &sheet{Fpdf: fpdf.New("P", "mm", "A4", ""), d: d, w: wordsFor(d)}
	s.AddUTF8FontFromBytes("sans", "", liberationsansregular.TTF)
	s.AddUTF8FontFromBytes("sans", "B", liberationsansbold.TTF)
	s.SetCreationDate(d.Issued.UTC())
	s.SetModificationDate(d.Issued.UTC())
	s.SetCatalogSort(true) // otherwise the order of its parts is a map's
	s.SetProducer("Hafen", true)
	s.SetTitle(s.w.title+" "+d.Number, true)
	s.SetAuthor(d.Seller.Called(), true)
	s.SetLang(d.Language)
	s.SetMargins(left, continuedTop, right)
	s.SetAutoPageBreak(false, footer) // a line of the table must not be torn, so we look ourselves
	s.AliasNbPages("")
	s.SetFooterFunc(s.foot)
	s.AddPage()
	s.letterhead()
	s.facts()
	s.title()
	s.lines()
	s.totals()
	s.payment()
	var b bytes.Buffer
	if err := s.Output(&b); err != nil {
		return nil, fmt.Errorf("print invoice %s: %w", d.Number, err)
	}
	return b.Bytes(), nil
}

// sheet is a document while it is printed.
type sheet struct {
	*fpdf.Fpdf
	d     billing.Document
	w     words
	below float64 // where address and facts end
}

type colour struct{ r, g, b int }

var (
	ink    = colour{24, 32, 44}
	grey   = colour{98, 108, 122}
	accent = colour{15, 76, 117}
	pale   = colour{241, 244, 247}
	hair   = colour{208, 214, 221}
)

// font sets size and colour; style is "" or "B".
func (s *sheet) font(style string, size float64, c colour) {
	s.SetFont("sans", style, size)
	s.SetTextColor(c.r, c.g, c.b)
}

// at writes one line into a box whose top left is here.
func (s *sheet) at(x, y, w, h float64, text, align string) {
	s.SetXY(x, y)
	s.CellFormat(w, h, s.fit(text, w), "", 0, align, false, 0, "")
}

// wrap writes a text into a column, in as many lines as it takes: names are whole on an invoice, whatever their length. It gives
// where the next one goes.
func (s *sheet) wrap(x, y, w, h float64, text string) float64 {
	for _, line := range s.SplitText(printable(text), w) {
		s.at(x, y, w, h, line, "L")
		y += h
	}
	return y
}

// fit shortens what does not fit.
func (s *sheet) fit(text string, w float64) string {
	text = printable(text)
	if s.GetStringWidth(text) <= w {
		return text
	}
	letters := []rune(text)
	for len(letters) > 0 && s.GetStringWidth(string(letters)+"…") > w {
		letters = letters[:len(letters)-1]
	}
	return string(letters) + "…"
}

// printable leaves out what the font cannot write: control characters, and what lies beyond the basic plane.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > 0xFFFF {
			return -1
		}
		return r
	}, text)
}

func (s *sheet) rule(y float64, c colour) {
	s.SetDrawColor(c.r, c.g, c.b)
	s.SetLineWidth(0.2)
	s.Line(left, y, left+width, y)
}

// letterhead is who writes, and to whom.
func (s *sheet) letterhead() {
	s.SetFillColor(accent.r, accent.g, accent.b)
	s.Rect(left, 18, 1.4, 9, "F")
	s.font("B", 15, accent)
	size := 15.0
	for s.GetStringWidth(printable(s.d.Seller.Called())) > width-6 && size > 8 {
		size--
		s.SetFontSize(size)
	}
	s.at(left+4, 18, width-4, 9, s.d.Seller.Called(), "L")

	s.font("", 6.8, grey)
	s.at(left, addressTop, 85, 4, strings.Join(s.d.Seller.Address(s.d.Seller.Country), " · "), "L")
	s.font("", 10.5, ink)
	y := addressTop + 6.5
	for _, line := range s.d.Buyer.Address(s.d.Seller.Country) {
		y = s.wrap(left, y, 85, 5, line)
	}
	if s.d.Buyer.Called() == "" { // an account's address is all we know
		y = s.wrap(left, y, 85, 5, s.d.Buyer.Email)
	}
	s.below = max(s.below, y)
}

// facts are the numbers and days beside the address.
func (s *sheet) facts() {
	y := addressTop
	for _, fact := range [][2]string{
		{s.w.number, s.d.Number},
		{s.w.date, s.w.day(s.d.Issued)},
		{s.w.corrects, s.corrected()},
		{s.w.due, s.dueDay()},
		{s.w.period, s.period()},
		{s.w.order, string(s.d.ServerName)},
		{s.w.buyerVATID, s.d.Buyer.VATID},
	} {
		if fact[1] == "" {
			continue
		}
		s.font("", 7.5, grey)
		s.at(factsColumn, y, 70, 3.6, fact[0], "L")
		s.font("", 9.5, ink)
		y = s.wrap(factsColumn, y+3.4, 70, 4.6, fact[1]) + 1
	}
	s.below = max(s.below, y)
}

func (s *sheet) corrected() string {
	if s.d.Corrects == "" {
		return ""
	}
	return s.d.Corrects + " " + s.w.on + " " + s.w.day(s.d.CorrectsIssued)
}

func (s *sheet) dueDay() string {
	if !s.owed() {
		return ""
	}
	return s.w.day(s.d.Due)
}

// period is the time of supply, which an invoice must name (§14 (4) no. 6 UStG).
func (s *sheet) period() string {
	if s.d.Start.IsZero() {
		return s.w.day(s.d.Issued)
	}
	return s.w.span(s.d.Start, s.d.End)
}

// owed reports whether the document asks for money.
func (s *sheet) owed() bool {
	return s.d.Kind == billing.KindInvoice && s.d.Gross.Cents > 0 && !s.d.Settled()
}

func (s *sheet) title() {
	y := max(titleTop+12, s.below+10)
	s.font("B", 15, ink)
	s.at(left, y, width, 7, s.w.title+" "+s.d.Number, "L")
	s.SetY(y + 12)
}

// foot is who we are, below every page.
func (s *sheet) foot() {
	y := pageHeight - footer + 8
	s.rule(y-2, hair)
	p := s.d.Seller
	x := left
	s.font("", 6.6, grey)
	for _, column := range []struct {
		share float64
		lines []string
	}{
		{0.25, p.Address(p.Country)},
		{0.24, []string{labelled(s.w.phone, p.Phone), p.Email, labelled(s.w.director, p.Director)}},
		{0.27, []string{p.Bank, labelled(s.w.iban, billing.GroupIBAN(p.IBAN)), labelled(s.w.bic, p.BIC)}},
		{0.24, []string{labelled(s.w.vatID, p.VATID), labelled(s.w.taxNumber, p.TaxNumber), p.Register}},
	} {
		row, w := y, width*column.share
		for _, line := range column.lines {
			if line == "" {
				continue
			}
			for _, part := range s.SplitText(printable(line), w-1) {
				s.at(x, row, w-1, 3.2, part, "L")
				row += 3.2
			}
		}
		x += w
	}
	s.SetXY(left, pageHeight-9)
	s.CellFormat(width, 3.2, fmt.Sprintf(s.w.page, s.PageNo()), "", 0, "R", false, 0, "")
}

func labelled(label, value string) string {
	if value == "" {
		return ""
	}
	return strings.TrimSpace(label + " " + value)
}
