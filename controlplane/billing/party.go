package billing

import (
	"net/mail"
	"regexp"
	"strings"

	"hafen/tenant"
)

// Party is somebody on an invoice: who sells, or who buys. What a buyer has no use for stays empty.
type Party struct {
	Company  string `json:"company,omitempty"`
	Name     string `json:"name,omitempty"` // of a person
	Street   string `json:"street,omitempty"`
	Postcode string `json:"postcode,omitempty"`
	City     string `json:"city,omitempty"`
	Country  string `json:"country,omitempty"` // ISO 3166: "DE"
	VATID    string `json:"vat_id,omitempty"`
	Email    string `json:"email,omitempty"`

	// Of a seller.
	TaxNumber     string `json:"tax_number,omitempty"` // where there is no VAT id (§14 (4) no. 2 UStG)
	Phone         string `json:"phone,omitempty"`
	IBAN          string `json:"iban,omitempty"`
	BIC           string `json:"bic,omitempty"`
	Bank          string `json:"bank,omitempty"`
	Register      string `json:"register,omitempty"` // "Amtsgericht Hamburg, HRB 12345" (§35a GmbHG)
	Director      string `json:"director,omitempty"` // managing director
	SmallBusiness bool   `json:"small_business,omitempty"`
}

// Called is whom a letter is to: the company, else the person.
func (p Party) Called() string {
	if p.Company != "" {
		return p.Company
	}
	return p.Name
}

// Address is the lines of an address, the country left out when it is home's.
func (p Party) Address(home string) []string {
	var lines []string
	for _, line := range []string{p.Company, p.Name, p.Street, strings.TrimSpace(p.Postcode + " " + p.City)} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	if p.Country != home && p.Country != "" {
		lines = append(lines, p.Country)
	}
	return lines
}

// Complete reports whether an invoice can name the party (§14 (4) no. 1 UStG).
func (p Party) Complete() bool {
	return p.Called() != "" && p.Street != "" && p.Postcode != "" && p.City != "" && p.Country != ""
}

// Tidy is the party without stray spaces, its numbers in the one form they are kept in.
func (p Party) Tidy() Party {
	for _, field := range []*string{
		&p.Company, &p.Name, &p.Street, &p.Postcode, &p.City, &p.Country, &p.VATID, &p.Email, &p.TaxNumber, &p.Phone, &p.IBAN, &p.BIC,
		&p.Bank, &p.Register, &p.Director,
	} {
		*field = strings.Join(strings.Fields(*field), " ")
	}
	p.Country = strings.ToUpper(p.Country)
	p.VATID, p.IBAN, p.BIC = compact(p.VATID), compact(p.IBAN), compact(p.BIC)
	return p
}

// compact takes out what people put between digits to read them.
func compact(s string) string {
	return strings.NewReplacer(" ", "", "-", "", ".", "", "/", "").Replace(strings.ToUpper(s))
}

// longest bounds a field: an address label has 35 letters a line, and an invoice's column not many more.
const longest = 100

// CheckBuyer says what is wrong with who pays: a Fault of the field. Empty fields are fine until an invoice needs them.
func (p Party) CheckBuyer() error {
	if err := p.checkAddress(); err != nil {
		return err
	}
	if p.VATID == "" {
		return nil
	}
	return CheckVATID(p.VATID, p.Country)
}

// CheckSeller says what keeps the seller from writing invoices.
func (p Party) CheckSeller() error {
	switch {
	case p.Called() == "":
		return wrong("billing.required", "company")
	case p.Street == "":
		return wrong("billing.required", "street")
	case p.Postcode == "":
		return wrong("billing.required", "postcode")
	case p.City == "":
		return wrong("billing.required", "city")
	case p.VATID == "" && p.TaxNumber == "":
		return wrong("billing.tax_number", "vat_id")
	}
	if err := p.CheckBuyer(); err != nil {
		return err
	}
	if address, err := mail.ParseAddress(p.Email); p.Email != "" && (err != nil || address.Address != p.Email) {
		return wrong("email.invalid", "email")
	}
	if p.IBAN != "" && !ValidIBAN(p.IBAN) {
		return wrong("billing.iban", "iban")
	}
	if p.BIC != "" && !bic.MatchString(p.BIC) {
		return wrong("billing.bic", "bic")
	}
	return nil
}

func (p Party) checkAddress() error {
	for field, value := range map[string]string{
		"company": p.Company, "name": p.Name, "street": p.Street, "city": p.City, "postcode": p.Postcode, "tax_number": p.TaxNumber,
		"phone": p.Phone, "bank": p.Bank, "register": p.Register, "director": p.Director, "email": p.Email,
	} {
		if len([]rune(value)) > longest {
			return wrong("billing.too_long", field)
		}
	}
	if !country.MatchString(p.Country) {
		return wrong("billing.country", "country")
	}
	return nil
}

var (
	country = regexp.MustCompile(`^[A-Z]{2}$`)
	bic     = regexp.MustCompile(`^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$`) // ISO 9362
	iban    = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$`)
)

// ValidIBAN checks form and check digits (ISO 13616: the rest by 97 is 1).
func ValidIBAN(s string) bool {
	if !iban.MatchString(s) || s[:2] == "DE" && len(s) != 22 {
		return false
	}
	rest := 0
	for _, c := range s[4:] + s[:4] {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

// GroupIBAN writes it in fours, as people read it.
func GroupIBAN(s string) string {
	var b strings.Builder
	for i, c := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func wrong(code, field string) error {
	return &tenant.Fault{Kind: tenant.Invalid, Code: code, Field: field}
}
