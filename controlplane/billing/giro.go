package billing

import (
	"fmt"
	"strings"
)

// GiroCode is what a banking app reads from a code to fill in the transfer of all that is open (EPC069-12: euros only); false
// where the code cannot carry it.
func (d Document) GiroCode() (string, bool) {
	p, open := d.Seller, d.Open()
	if p.IBAN == "" || open.Currency != "EUR" || open.Cents <= 0 || open.Cents > 99_999_999_999 {
		return "", false
	}
	name := []rune(strings.Join(strings.Fields(p.Called()), " "))
	name = name[:min(70, len(name))]
	amount := fmt.Sprintf("EUR%d.%02d", open.Cents/100, open.Cents%100)
	return strings.Join([]string{"BCD", "002", "1", "SCT", p.BIC, string(name), p.IBAN, amount, "", "", d.Reference()}, "\n"), true
}
