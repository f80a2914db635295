package gallery

import (
	"time"

	"hafen/templates"
)

// now is the moment all samples are made at, so that screenshots do not change from day to day.
var now = time.Date(2026, 11, 22, 9, 24, 0, 0, time.UTC)

const (
	gigabyte = 1_000_000_000
	baseName = "hafen.example"
)

func price(net int64) templates.Price {
	vat := (net*19 + 50) / 100
	return templates.Price{Net: net, VAT: vat, Gross: net + vat, VATPercent: 19, Currency: "EUR"}
}

var (
	basic = templates.Plan{
		ID: "basic", Name: "Basic", Price: price(400), Seats: 5, StorageBytes: 20 * gigabyte,
		Engine: templates.EngineDendrite,
	}
	advanced = templates.Plan{
		ID: "advanced", Name: "Advanced", Price: price(600), Seats: 20, StorageBytes: 50 * gigabyte,
		Federation: true, Engine: templates.EngineDendrite,
	}
	allIn = templates.Plan{
		ID: "allin", Name: "All-in", Price: price(1400), Seats: 50, StorageBytes: 250 * gigabyte,
		Federation: true, Engine: templates.EngineDendrite,
	}
	plans = []templates.Plan{basic, advanced, allIn}
)

// wrong makes a form with what was typed and the codes of what is wrong, by field.
func wrong(values map[string]string, codes map[string]string) templates.Form {
	f := templates.Form{Values: values, Errors: map[string]templates.Problem{}}
	for field, code := range codes {
		f.Errors[field] = templates.Problem{Code: code}
	}
	return f
}
