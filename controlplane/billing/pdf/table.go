package pdf

import (
	"fmt"
	"strings"

	"rsc.io/qr"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// room begins a new page unless so much is free on this one.
func (s *sheet) room(height float64) {
	if s.GetY()+height <= pageHeight-footer-4 {
		return
	}
	s.AddPage()
	s.font("", 8.5, grey)
	s.at(left, continuedTop-10, width, 5, s.w.title+" "+s.d.Number, "L")
	s.SetY(continuedTop)
}

type column struct {
	width float64
	text  string
	align string
}

func (s *sheet) row(y, height float64, columns ...column) {
	x := left
	for _, c := range columns {
		s.at(x+1.5, y, c.width-3, height, c.text, c.align)
		x += c.width
	}
}

func (s *sheet) heading() {
	y := s.GetY()
	s.SetFillColor(pale.r, pale.g, pale.b)
	s.Rect(left, y, width, 7, "F")
	s.font("B", 8, grey)
	s.row(y, 7, column{columnPos, s.w.pos, "L"}, column{columnText, s.w.text, "L"}, column{columnNumber, s.w.quantity, "R"},
		column{columnUnit, s.w.unit, "R"}, column{columnAmount, s.w.amount, "R"})
	s.SetY(y + 8.5)
}

// lines is the table of what was sold; its head comes again on every page.
func (s *sheet) lines() {
	s.heading()
	for i, line := range s.d.Lines {
		s.font("", 9.5, ink)
		texts := s.SplitText(printable(s.describe(line)), columnText-3)
		height := float64(len(texts))*lineHeight + 2
		under := s.underline(line)
		if under != "" {
			height += 3.8
		}
		page := s.PageNo()
		s.room(height)
		if s.PageNo() != page {
			s.heading()
		}
		y := s.GetY()
		s.font("", 9.5, ink)
		s.row(y, lineHeight, column{columnPos, fmt.Sprint(i + 1), "L"}, column{columnText, "", "L"},
			column{columnNumber, fmt.Sprint(line.Quantity), "R"}, column{columnUnit, s.w.money(line.Unit), "R"},
			column{columnAmount, s.w.money(line.Net), "R"})
		for j, text := range texts {
			s.at(left+columnPos+1.5, y+float64(j)*lineHeight, columnText-3, lineHeight, text, "L")
		}
		if under != "" {
			s.font("", 7.8, grey)
			s.at(left+columnPos+1.5, y+float64(len(texts))*lineHeight, columnText-3, 3.6, under, "L")
		}
		s.rule(y+height, hair)
		s.SetY(y + height + 1.5)
	}
}

func (s *sheet) describe(line billing.Line) string {
	if line.Kind == billing.LineCoupon {
		return fmt.Sprintf(s.w.coupon, line.Text)
	}
	return line.Text
}

// underline is what stands small below a line: when, and at which rate where there are several.
func (s *sheet) underline(line billing.Line) string {
	var parts []string
	if line.Kind == billing.LineProration {
		parts = append(parts, s.w.proration)
	}
	if !line.From.IsZero() {
		parts = append(parts, s.w.span(line.From, line.Until))
	}
	if len(s.d.Taxes()) > 1 {
		parts = append(parts, fmt.Sprintf("%d %%", line.VATRate))
	}
	return strings.Join(parts, " · ")
}

// totals are the sums, tax by rate, and why there is none.
func (s *sheet) totals() {
	taxes := s.d.Taxes()
	s.room(float64(len(taxes))*5 + 28)
	y := s.GetY() + 2
	sum := func(label string, amount tenant.Money) {
		s.at(left+width-105, y, 76, 5, label, "R")
		s.at(left+width-columnAmount+1.5, y, columnAmount-3, 5, s.w.money(amount), "R")
		y += 5
	}
	s.font("", 9.5, ink)
	sum(s.w.net, s.d.Net)
	for _, tax := range taxes {
		if s.d.Note == "" {
			sum(fmt.Sprintf(s.w.vat, tax.Rate, s.w.money(tax.Net)), tax.VAT)
		}
	}
	y++
	s.SetDrawColor(ink.r, ink.g, ink.b)
	s.SetLineWidth(0.3)
	s.Line(left+width-80, y, left+width, y)
	y += 1.5
	s.font("B", 11, ink)
	sum(s.w.gross, s.d.Gross)
	s.SetY(y + 3)
	if note := s.w.notes[s.d.Note]; note != "" {
		s.paragraph(note)
	}
}

func (s *sheet) paragraph(text string) {
	s.font("", 9, ink)
	s.SetX(left)
	s.MultiCell(width, 4.6, text, "", "L", false)
	s.SetY(s.GetY() + 2)
}

// payment says how to pay, in words and as the code that banking apps read.
func (s *sheet) payment() {
	if !s.owed() {
		s.room(12)
		s.paragraph(s.w.paidAll)
		return
	}
	p := s.d.Seller
	if p.IBAN == "" {
		return
	}
	const height, code = 42.0, 26.0
	s.room(height + 4)
	y := s.GetY() + 3
	s.SetFillColor(pale.r, pale.g, pale.b)
	s.Rect(left, y, width, height, "F")
	s.font("", 9.5, ink)
	s.at(left+5, y+4, width-10, 5, fmt.Sprintf(s.w.pay, s.w.money(s.d.Gross), s.w.day(s.d.Due)), "L")
	row := y + 12
	for _, fact := range [][2]string{
		{s.w.recipient, p.Called()}, {s.w.iban, billing.GroupIBAN(p.IBAN)}, {s.w.bic, p.BIC}, {s.w.bank, p.Bank}, {s.w.reference, s.d.Reference()},
	} {
		if fact[1] == "" {
			continue
		}
		s.font("", 8.5, grey)
		s.at(left+5, row, factsLabel, 5, fact[0], "L")
		s.font("B", 9.5, ink)
		s.at(left+5+factsLabel, row, width-factsLabel-code-20, 5, fact[1], "L")
		row += 5.2
	}
	if s.giro(left+width-code-6, y+10, code) {
		s.font("", 5.8, grey)
		s.at(left+width-code-11, y+10+code+0.8, code+10, 3, s.w.scan, "C")
	}
}

// giro draws the code of a transfer (EPC069-12, "GiroCode"), which holds euros only.
func (s *sheet) giro(x, y, size float64) bool {
	payload, ok := s.d.GiroCode()
	if !ok {
		return false
	}
	code, err := qr.Encode(payload, qr.M) // the level the guidelines ask for
	if err != nil {
		return false
	}
	s.SetFillColor(255, 255, 255)
	s.Rect(x-1.5, y-1.5, size+3, size+3, "F")
	s.SetFillColor(0, 0, 0)
	each := size / float64(code.Size)
	for row := range code.Size {
		for begin := 0; begin < code.Size; begin++ {
			end := begin
			for end < code.Size && code.Black(end, row) {
				end++
			}
			if end > begin {
				s.Rect(x+float64(begin)*each, y+float64(row)*each, float64(end-begin)*each, each, "F")
				begin = end
			}
		}
	}
	return true
}
