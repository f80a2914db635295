package billing_test

import (
	"testing"

	"pgregory.net/rapid"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

func TestVATIDs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		id, country string
		ok          bool
	}{
		{"DE136695976", "DE", true},
		{"DE136695977", "DE", false}, // the check digit
		{"ATU12345678", "AT", true},
		{"AT12345678", "AT", false},
		{"CZ12345678", "CZ", true},
		{"CZ1234567", "CZ", false},
		{"EL123456789", "GR", true},
		{"GR123456789", "GR", false},
		{"FRXX123456789", "FR", true},
		{"FROX123456789", "FR", false}, // no O
		{"IE1234567FA", "IE", true},
		{"NL123456789B01", "NL", true},
		{"ESX1234567X", "ES", true},
		{"SE123456789001", "SE", true},
		{"DE136695976", "AT", false}, // of another country
		{"", "AT", false},
		{"CHE-123.456.789 MWST", "CH", true},
	} {
		if err := billing.CheckVATID(test.id, test.country); (err == nil) != test.ok {
			t.Errorf("%s of %s: %v", test.id, test.country, err)
		}
	}
}

func TestTreatment(t *testing.T) {
	t.Parallel()
	here := billing.Party{Country: "DE"}
	for _, test := range []struct {
		name          string
		seller, buyer billing.Party
		want          billing.VATNote
	}{
		{"at home", here, billing.Party{Country: "DE", VATID: "DE136695976"}, ""},
		{"nothing known", here, billing.Party{}, ""},
		{"a business in the union", here, billing.Party{Country: "AT", VATID: "ATU12345678"}, billing.ReverseCharge},
		{"a consumer in the union", here, billing.Party{Country: "AT"}, ""},
		{"no number of that country", here, billing.Party{Country: "AT", VATID: "DE136695976"}, ""},
		{"outside", here, billing.Party{Country: "CH"}, billing.OutsideEU},
		{"a small business", billing.Party{Country: "DE", SmallBusiness: true}, billing.Party{Country: "AT", VATID: "ATU12345678"}, billing.SmallBusiness},
	} {
		if got := billing.Treatment(test.seller, test.buyer); got != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestSellers(t *testing.T) {
	t.Parallel()
	good := billing.Party{Company: "Hafen GmbH", Street: "Am Kai 1", Postcode: "20457", City: "Hamburg", Country: "de", VATID: "DE 136 695 976", IBAN: "de89 3704 0044 0532 0130 00", BIC: "cobadeffxxx"}.Tidy()
	if err := good.CheckSeller(); err != nil || good.IBAN != "DE89370400440532013000" || good.VATID != "DE136695976" {
		t.Fatalf("%+v: %v", good, err)
	}
	for field, spoil := range map[string]func(*billing.Party){
		"company":  func(p *billing.Party) { p.Company = "" },
		"city":     func(p *billing.Party) { p.City = "" },
		"vat_id":   func(p *billing.Party) { p.VATID = "" },
		"country":  func(p *billing.Party) { p.Country = "Germany" },
		"iban":     func(p *billing.Party) { p.IBAN = "DE89370400440532013001" },
		"bic":      func(p *billing.Party) { p.BIC = "COBA" },
		"email":    func(p *billing.Party) { p.Email = "Anna <anna@example.org>" },
		"register": func(p *billing.Party) { p.Register = string(make([]byte, 200)) },
	} {
		p := good
		spoil(&p)
		if err := p.CheckSeller(); err == nil || tenant.FaultOf(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestIBANs(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"DE89370400440532013000", "AT611904300234573201", "CZ6508000000192000145399", "GB82WEST12345698765432"} {
		if !billing.ValidIBAN(good) {
			t.Errorf("%s is refused", good)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // any one digit changed
		const good = "DE89370400440532013000"
		at, digit := rapid.IntRange(2, len(good)-1).Draw(t, "at"), rapid.IntRange(0, 9).Draw(t, "digit")
		changed := []byte(good)
		changed[at] = byte('0' + digit)
		if string(changed) != good && billing.ValidIBAN(string(changed)) {
			t.Fatalf("%s is taken", changed)
		}
	})
	if billing.GroupIBAN("DE89370400440532013000") != "DE89 3704 0044 0532 0130 00" {
		t.Error("grouped wrong")
	}
}

// Sums by rate are the bill's, whatever the lines; without tax it is the net; and a note takes back all of it.
func TestTaxesAreTheBills(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var lines []billing.Line
		for range rapid.IntRange(0, 12).Draw(t, "lines") {
			unit := tenant.Money{Cents: rapid.Int64Range(-100_000, 100_000).Draw(t, "unit"), Currency: "EUR"}
			quantity := rapid.IntRange(1, 50).Draw(t, "quantity")
			lines = append(lines, billing.Line{Unit: unit, Quantity: quantity, Net: unit.Times(quantity), VATRate: rapid.SampledFrom([]int{0, 7, 19, 20}).Draw(t, "rate")})
		}
		d := billing.Document{}
		d.Bill = billing.Sum("EUR", lines)
		net, vat := tenant.Money{Currency: "EUR"}, tenant.Money{Currency: "EUR"}
		for _, tax := range d.Taxes() {
			net, vat = net.Plus(tax.Net), vat.Plus(tax.VAT)
		}
		if net != d.Net || vat != d.VAT || d.Net.Plus(d.VAT) != d.Gross {
			t.Fatalf("sums %v %v of %+v", net, vat, d.Bill)
		}
		if free := d.Under(billing.ReverseCharge); free.VAT.Cents != 0 || free.Gross != d.Net {
			t.Fatalf("with tax: %+v", free)
		}
		if back := billing.Sum("EUR", d.Negative().Lines); len(lines) > 0 && (back.Gross != d.Gross.Negative() || back.VAT != d.VAT.Negative()) {
			t.Fatalf("%+v is not the opposite of %+v", back, d.Bill)
		}
	})
}
