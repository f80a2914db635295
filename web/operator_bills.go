package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/templates"
	"hafen/tenant"
)

// day reads a date field: the day's beginning. False for nothing that is one.
func day(s string) (time.Time, bool) {
	t, err := time.ParseInLocation(time.DateOnly, strings.TrimSpace(s), tenant.Zone)
	return t, err == nil
}

// cents reads an amount as people type it: "12,50", "12.5" or "12". False for anything else; a separator of thousands is no digit.
func cents(s string) (int64, bool) {
	whole, part, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(s), ",", "."), ".")
	if len(part) > 2 || len(whole) > 9 {
		return 0, false
	}
	n, err := strconv.ParseUint(whole+part+strings.Repeat("0", 2-len(part)), 10, 63)
	return int64(n), err == nil && whole != ""
}

const invoicesPath = "/operator/invoices"

func (s *Server) showInvoices(r *request) error {
	f := controlplane.InvoiceFilter{State: r.QueryParam("state"), Search: strings.TrimSpace(r.QueryParam("q")), Page: pageNumber(r.QueryParam("page"))}
	found, err := s.Books.Search(r.ctx(), r.actor(), f)
	if err != nil {
		return err
	}
	settings, err := s.Books.Settings(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	month := s.Now().In(tenant.Zone)
	first := time.Date(month.Year(), month.Month()-1, 1, 0, 0, 0, 0, tenant.Zone)
	return r.ok(templates.OperatorBillsPage(s.page(r), templates.OperatorBills{
		Rows: s.billViews(found.Invoices), State: f.State, Query: f.Search, MissingSeller: settings.MissingSeller(),
		Pager: pager(f.Page, found.Total, controlplane.InvoicesPerPage, invoicesPath, url.Values{"state": {f.State}, "q": {f.Search}}),
		From:  first.Format(time.DateOnly), Until: first.AddDate(0, 1, -1).Format(time.DateOnly),
	}))
}

// exportInvoices is a period's invoices, the last day included.
func (s *Server) exportInvoices(r *request) error {
	from, begins := day(r.QueryParam("from"))
	until, ends := day(r.QueryParam("until"))
	if !begins || !ends {
		return faultStatus(http.StatusBadRequest)
	}
	list, err := s.Books.Export(r.ctx(), r.actor(), from, until.AddDate(0, 0, 1))
	if err != nil {
		return err
	}
	name := "invoices-" + from.Format(time.DateOnly) + "-" + until.Format(time.DateOnly)
	out, err := r.csv(name, templates.InvoicesCSVHead(r.locale))
	if err != nil {
		return err
	}
	for _, d := range list {
		for _, tax := range d.Taxes() {
			row := templates.InvoicesCSVRow(r.locale, s.billView(d), templates.BillTax{Percent: tax.Rate, Net: tax.Net.Cents, VAT: tax.VAT.Cents}, string(d.Note))
			if err := out.Write(row); err != nil {
				return err
			}
		}
	}
	return flush(out)
}

func (s *Server) showInvoice(r *request) error {
	return s.invoicePage(r, http.StatusOK, nil, nil)
}

// invoicePage shows the invoice in the path, with what is wrong with one of its forms.
func (s *Server) invoicePage(r *request, status int, pay, void *templates.Form) error {
	d, payments, err := s.Books.Find(r.ctx(), r.actor(), r.Param("bill"))
	if err != nil {
		return err
	}
	own := d.Provider == "invoice" && d.Kind == billing.KindInvoice
	vm := templates.OperatorBill{
		BillDetail: s.billDetail(d), CanBook: (own || d.Dispute.Lost()) && d.Status == billing.InvoiceOpen, CanVoid: own && d.Status != billing.InvoiceVoid,
		PayForm: templates.Form{Values: map[string]string{
			"amount": templates.Cents(r.locale, d.Open().Cents), "day": s.Now().In(tenant.Zone).Format(time.DateOnly),
		}},
	}
	for _, p := range payments {
		vm.Payments = append(vm.Payments, templates.BillPayment{On: p.On, Amount: p.Amount.Cents, Note: p.Note, By: p.BookedBy})
	}
	if pay != nil {
		vm.PayForm = *pay
	}
	if void != nil {
		vm.VoidForm = *void
	}
	return r.render(status, templates.OperatorBillPage(at(s.page(r), invoicePath(r.Param("bill"))), vm))
}

func invoicePath(id string) string { return invoicesPath + "/" + url.PathEscape(id) }

func (s *Server) downloadInvoice(r *request) error { return s.sendBill(r) }

func (s *Server) bookPayment(r *request) error {
	in, err := r.form("amount", "day", "note")
	if err != nil {
		return err
	}
	err = s.book(r, in)
	if form, wrong := in.wrong(err); wrong {
		return s.invoicePage(r, http.StatusUnprocessableEntity, &form, nil)
	}
	if err != nil {
		return err
	}
	return r.done(invoicePath(r.Param("bill")), flashInvoicePaid)
}

func (s *Server) book(r *request, in input) error {
	d, _, err := s.Books.Find(r.ctx(), r.actor(), r.Param("bill"))
	if err != nil {
		return err
	}
	amount, ok := cents(in.get("amount"))
	if !ok {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "payment.amount", Field: "amount"}
	}
	on, ok := day(in.get("day"))
	if !ok {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "payment.day", Field: "day"}
	}
	return s.Books.Book(r.ctx(), r.actor(), controlplane.Payment{
		Invoice: d.ID, Amount: tenant.Money{Cents: amount, Currency: d.Gross.Currency}, On: on, Note: in.get("note"),
	})
}

func (s *Server) voidInvoice(r *request) error {
	in, err := r.form("reason")
	if err != nil {
		return err
	}
	note, err := s.Books.Void(r.ctx(), r.actor(), r.Param("bill"), strings.TrimSpace(in.get("reason")))
	if form, wrong := in.wrong(err); wrong {
		return s.invoicePage(r, http.StatusUnprocessableEntity, nil, &form)
	}
	if err != nil {
		return err
	}
	return r.done(invoicePath(note), flashInvoiceVoided)
}

func (s *Server) pauseDunning(r *request) error {
	in, err := r.form("until", "pause_note")
	if err != nil {
		return err
	}
	return s.fleetAction(r, in, flashDunningPaused, func(id tenant.ID) error {
		until, given := day(in.get("until"))
		if !given && strings.TrimSpace(in.get("until")) != "" {
			return &tenant.Fault{Kind: tenant.Invalid, Code: "pause.until", Field: "until"}
		}
		return s.Books.Pause(r.ctx(), r.actor(), id, until, strings.TrimSpace(in.get("pause_note")))
	})
}

// dunningView is how a server stands with its bills, for operators.
func (s *Server) dunningView(r *request, id tenant.ID) (templates.Dunning, error) {
	o, err := s.Books.Owed(r.ctx(), r.actor(), id)
	if err != nil {
		return templates.Dunning{}, err
	}
	return templates.Dunning{
		Known: !o.Since.IsZero(), Stage: string(o.Stage), Since: o.Since, Bills: o.Bills, Amount: o.Amount.Cents, Currency: o.Amount.Currency, Due: o.Due,
		DeleteAt: o.DeleteAt, PausedUntil: o.PausedUntil, Note: o.PauseNote,
	}, nil
}
