package billing

import (
	"regexp"

	"hafen/tenant"
)

// vatIDs are the forms of VAT identification numbers after the two letters of the country, as the member states publish them
// for VIES. Northern Ireland's (XI) is good for goods only, so it is none here.
var vatIDs = forms(map[string]string{
	"AT": `U\d{8}`,
	"BE": `[01]\d{9}`,
	"BG": `\d{9,10}`,
	"CY": `\d{8}[A-Z]`,
	"CZ": `\d{8,10}`,
	"DE": `\d{9}`,
	"DK": `\d{8}`,
	"EE": `\d{9}`,
	"EL": `\d{9}`,
	"ES": `[A-Z]\d{7}[A-Z0-9]|\d{8}[A-Z]`,
	"FI": `\d{8}`,
	"FR": `[A-HJ-NP-Z0-9]{2}\d{9}`,
	"HR": `\d{11}`,
	"HU": `\d{8}`,
	"IE": `\d{7}[A-W][A-I]?|\d[A-Z+*]\d{5}[A-W]`,
	"IT": `\d{11}`,
	"LT": `\d{9}|\d{12}`,
	"LU": `\d{8}`,
	"LV": `\d{11}`,
	"MT": `\d{8}`,
	"NL": `[A-Z0-9+*]{10}\d{2}`,
	"PL": `\d{10}`,
	"PT": `\d{9}`,
	"RO": `[1-9]\d{1,9}`,
	"SE": `\d{10}01`,
	"SI": `\d{8}`,
	"SK": `\d{10}`,
})

func forms(patterns map[string]string) map[string]*regexp.Regexp {
	compiled := make(map[string]*regexp.Regexp, len(patterns))
	for prefix, pattern := range patterns {
		compiled[prefix] = regexp.MustCompile(`^(?:` + pattern + `)$`)
	}
	return compiled
}

// prefix is the letters a country's VAT ids begin with: its own, but for Greece.
func prefix(country string) string {
	if country == "GR" {
		return "EL"
	}
	return country
}

// InEU reports whether a country (ISO 3166) is in the union's VAT area.
func InEU(country string) bool { return vatIDs[prefix(country)] != nil }

// CheckVATID checks the form of a compact VAT id of a buyer in a country, the check digit of a German one too. Whether the
// number was given to anybody only VIES knows, which is not asked. Outside the union anything goes: it is shown, no more.
func CheckVATID(id, country string) error {
	if !InEU(country) {
		if len(id) > 30 {
			return wrong("billing.too_long", "vat_id")
		}
		return nil
	}
	letters := prefix(country)
	if len(id) < 4 || id[:2] != letters || !vatIDs[letters].MatchString(id[2:]) || letters == "DE" && !germanCheck(id[2:]) {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.vat_id", Field: "vat_id", Params: map[string]string{"Prefix": letters}}
	}
	return nil
}

// germanCheck is ISO 7064 MOD 11,10 over nine digits.
func germanCheck(digits string) bool {
	product := 10
	for _, c := range digits[:8] {
		sum := (int(c-'0') + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = 2 * sum % 11
	}
	return (11-product)%10 == int(digits[8]-'0')
}

// VATNote says why an invoice has no tax; "" when it has.
type VATNote string

// The reasons.
const (
	ReverseCharge VATNote = "reverse_charge" // §13b UStG, Art. 196 of directive 2006/112/EC: the buyer owes the tax
	SmallBusiness VATNote = "small_business" // §19 UStG
	OutsideEU     VATNote = "outside"        // §3a UStG: the place of supply is the buyer's
)

// Treatment is how a supply of services is taxed. A consumer elsewhere in the union pays the seller's tax: that is right up to
// 10,000 EUR a year over the whole union (§3a (5) UStG), and a matter for the operator's adviser beyond it.
func Treatment(seller, buyer Party) VATNote {
	switch {
	case seller.SmallBusiness:
		return SmallBusiness
	case buyer.Country == "" || buyer.Country == seller.Country || !InEU(seller.Country):
		return ""
	case !InEU(buyer.Country):
		return OutsideEU
	case buyer.VATID != "" && CheckVATID(buyer.VATID, buyer.Country) == nil:
		return ReverseCharge
	default:
		return ""
	}
}

// Under is the bill as it is with a note: without tax when there is one.
func (b Bill) Under(note VATNote) Bill {
	if note == "" {
		return b
	}
	lines := make([]Line, len(b.Lines))
	for i, line := range b.Lines {
		line.VATRate = 0
		lines[i] = line
	}
	return Sum(b.Net.Currency, lines)
}
