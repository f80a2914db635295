package stripefake

import (
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

var hosted = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>{{.Title}}</title><link rel="icon" href="data:,">
<h1>{{.Title}}</h1>{{if .Said}}<p role="alert" id="said">{{.Said}}</p>{{end}}<p id="amount">{{.Amount}}</p>
{{range .Buttons}}<form method="post"><button name="do" value="{{.Do}}" id="{{.Do}}">{{.Text}}</button></form>{{end}}
{{if .Back}}<a id="back" href="{{.Back}}">Back</a>{{end}}</html>`))

type button struct{ Do, Text string }

type hostedPage struct {
	Title, Said, Amount, Back string
	Buttons                   []button
}

func show(w http.ResponseWriter, p hostedPage) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := hosted.Execute(w, p); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// servePage answers the pages people see: Checkout (/c/), a bill (/i/) and the portal (/p/).
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(parts) < 2 {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	o, _ := clone(s.objects[parts[1]]).(object)
	s.mu.Unlock()
	switch {
	case parts[0] == "c" && o.str("object") == "checkout.session":
		s.checkoutPage(w, r, o)
	case parts[0] == "i" && o.str("object") == "invoice" && len(parts) == 3:
		w.Header().Set("Content-Type", "application/pdf")
		fmt.Fprintf(w, "%%PDF-1.4\n%% %s\n", o.str("number"))
	case parts[0] == "i" && o.str("object") == "invoice":
		s.invoicePage(w, r, o)
	case parts[0] == "p" && o.str("object") == "billing_portal.session":
		s.portalPage(w, r, o)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) checkoutPage(w http.ResponseWriter, r *http.Request, session object) {
	p := hostedPage{Title: "Checkout", Amount: sum(session.num("amount_total"), session), Back: session.str("cancel_url")}
	if r.Method == http.MethodPost {
		card, proven := GoodCard, false
		switch r.FormValue("do") {
		case "cancel":
			http.Redirect(w, r, session.str("cancel_url"), http.StatusSeeOther)
			return
		case "decline":
			card = DeclinedCard
		case "sca":
			card = SCACard
		case "confirm":
			card, proven = SCACard, true
		}
		outcome := s.Pay(session.str("id"), card, proven)
		if outcome.Paid {
			http.Redirect(w, r, outcome.Next, http.StatusSeeOther)
			return
		}
		p.Said = outcome.Reason
		if card == SCACard {
			p.Buttons = []button{{"confirm", "Confirm with my bank"}, {"cancel", "Cancel"}}
			show(w, p)
			return
		}
	}
	if session.str("status") == "open" {
		p.Buttons = []button{{"pay", "Pay"}, {"decline", "Pay with a card that is declined"}, {"sca", "Pay with a card that asks"}, {"cancel", "Cancel"}}
	} else if p.Said == "" {
		p.Said = "This session is " + session.str("status") + "."
	}
	show(w, p)
}

func (s *Server) invoicePage(w http.ResponseWriter, r *http.Request, invoice object) {
	if r.Method == http.MethodPost && r.FormValue("do") == "pay" {
		s.PayInvoice(invoice.str("id"))
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
		return
	}
	p := hostedPage{
		Title: "Invoice " + invoice.str("number"), Said: invoice.str("status"),
		Amount: sum(invoice.num("amount_due"), invoice),
	}
	if invoice.str("status") == "open" {
		p.Buttons = []button{{"pay", "Pay"}}
	}
	show(w, p)
}

func sum(cents int64, of object) string {
	return fmt.Sprintf("%d.%02d %s", cents/100, cents%100, strings.ToUpper(of.str("currency")))
}

func (s *Server) portalPage(w http.ResponseWriter, r *http.Request, session object) {
	p := hostedPage{Title: "Cards and invoices", Back: session.str("return_url"), Buttons: []button{{"card", "Use a card that works"}, {"decline", "Use a card that is declined"}}}
	if r.Method == http.MethodPost {
		card := GoodCard
		if r.FormValue("do") == "decline" {
			card = DeclinedCard
		}
		s.SetCard(session.str("customer"), card)
		p.Said = "Your card was changed."
	}
	show(w, p)
}
