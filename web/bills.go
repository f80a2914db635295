package web

import (
	"fmt"
	"net/http"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/templates"
	"hafen/tenant"
)

// showBills lists the bills of a server.
func (s *Server) showBills(r *request) error {
	bills, err := s.Invoices.OfServer(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	vm := templates.Bills{Server: s.serverView(r, r.server), Rows: s.billViews(bills)}
	if vm.AskAddress, err = s.askAddress(r); err != nil {
		return err
	}
	return r.ok(templates.BillsPage(s.page(r), vm))
}

// showAccountBills lists the bills of all servers of an account.
func (s *Server) showAccountBills(r *request) error {
	bills, err := s.Invoices.OfAccount(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	vm := templates.AccountBills{Rows: s.billViews(bills)}
	if len(bills) > 0 {
		profile, err := s.Invoices.Profile(r.ctx(), r.actor())
		if err != nil {
			return err
		}
		vm.AskAddress = !profile.Complete()
	}
	return r.ok(templates.AccountBillsPage(s.page(r), vm))
}

// askAddress reports whether the owner of a server has not said yet who pays. A colleague cannot say it.
func (s *Server) askAddress(r *request) (bool, error) {
	if r.server.Role != controlplane.Owner || r.server.Status == tenant.Deleted {
		return false, nil
	}
	profile, err := s.Invoices.Profile(r.ctx(), r.actor())
	return err == nil && !profile.Complete(), err
}

// bill finds the bill in the path, of the server in the path.
func (s *Server) bill(r *request) (billing.Document, error) {
	d, err := s.Invoices.Find(r.ctx(), r.actor(), r.Param("bill"))
	if err == nil && d.Tenant != r.server.ID {
		err = &tenant.Fault{Kind: tenant.NotFound, Code: "invoice.unknown"}
	}
	return d, err
}

func (s *Server) showBill(r *request) error {
	d, err := s.bill(r)
	if err != nil {
		return err
	}
	vm := s.billDetail(d)
	vm.Server = s.serverView(r, r.server)
	return r.ok(templates.BillPage(s.page(r), vm))
}

func (s *Server) downloadBill(r *request) error {
	if _, err := s.bill(r); err != nil {
		return err
	}
	return s.sendBill(r)
}

// sendBill answers with the PDF of the bill in the path.
func (s *Server) sendBill(r *request) error {
	d, file, err := s.Invoices.PDF(r.ctx(), r.actor(), r.Param("bill"))
	if err != nil {
		return err
	}
	r.Response().Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, d.FileName()))
	return r.Blob(http.StatusOK, "application/pdf", file)
}

func (s *Server) billViews(list []billing.Document) []templates.Bill {
	views := make([]templates.Bill, 0, len(list))
	for _, d := range list {
		views = append(views, s.billView(d))
	}
	return views
}

func (s *Server) billView(d billing.Document) templates.Bill {
	view := templates.Bill{
		ID: d.ID, Number: d.Number, ServerID: string(d.Tenant), Server: string(d.ServerName), State: s.billState(d),
		Issued: d.Issued, Due: d.Due, PaidAt: d.PaidAt, Net: d.Net.Cents, VAT: d.VAT.Cents, Gross: d.Gross.Cents, Paid: d.Paid.Cents,
		Currency: d.Gross.Currency, PDF: d.Provider == "invoice", URL: d.URL, Corrects: d.Corrects, Followed: d.CorrectedBy,
		Dispute: d.Dispute.Status, Disputed: d.Dispute.Amount.Cents, RespondBy: d.Dispute.RespondBy,
	}
	if view.Customer = d.Buyer.Called(); view.Customer == "" {
		view.Customer = d.Buyer.Email
	}
	return view
}

func (s *Server) billState(d billing.Document) string {
	switch {
	case d.Kind == billing.KindCreditNote:
		return templates.BillCredit
	case d.Status == billing.InvoiceOpen && d.Due.Before(s.Now()):
		return templates.BillOverdue
	default:
		return string(d.Status)
	}
}

func (s *Server) billDetail(d billing.Document) templates.BillDetail {
	vm := templates.BillDetail{Bill: s.billView(d), Note: string(d.Note)}
	for _, l := range d.Lines {
		vm.Lines = append(vm.Lines, templates.BillItem{Text: l.Text, Quantity: l.Quantity, Unit: l.Unit.Cents, Net: l.Net.Cents, From: l.From, Until: l.Until})
	}
	for _, tax := range d.Taxes() {
		vm.Taxes = append(vm.Taxes, templates.BillTax{Percent: tax.Rate, Net: tax.Net.Cents, VAT: tax.VAT.Cents})
	}
	if vm.Bill.PDF || d.Dispute.Lost() { // the provider takes no money again for what a bank took back
		vm.Recipient, vm.IBAN, vm.BIC, vm.Reference = d.Seller.Called(), billing.GroupIBAN(d.Seller.IBAN), d.Seller.BIC, d.Reference()
		vm.Code, _ = d.GiroCode()
	}
	return vm
}

// owedView is the banner of a server; nil when there is nothing to say.
func owedView(o controlplane.Owed, server controlplane.Server) *templates.Owed {
	if o.Stage == tenant.StagePaid || o.Stage == "" || o.Due.IsZero() {
		return nil
	}
	view := &templates.Owed{
		Stage: string(o.Stage), Amount: o.Amount.Cents, Currency: o.Amount.Currency, Due: o.Due, DeleteAt: o.DeleteAt, PausedUntil: o.PausedUntil,
	}
	if server.Role.May(controlplane.ManageBilling) {
		if view.PayURL = o.URL; o.URL == "" || o.Bills > 1 {
			view.PayURL = owedPath(server.ID, o)
		}
	}
	return view
}

// owedPath is where what is owed is paid: the bill, or the list of them.
func owedPath(id tenant.ID, o controlplane.Owed) string {
	if o.Bills > 1 {
		return serverPath(id) + "/bills"
	}
	return billPath(id, o.Invoice)
}

func billPath(id tenant.ID, bill string) string { return serverPath(id) + "/bills/" + bill }

// The fields of who pays.
var profileFields = []string{"company", "name", "street", "postcode", "city", "country", "vat_id"}

func (s *Server) showProfile(r *request) error {
	p, err := s.Invoices.Profile(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	form := templates.Form{Values: map[string]string{
		"company": p.Company, "name": p.Name, "street": p.Street, "postcode": p.Postcode, "city": p.City, "country": p.Country, "vat_id": p.VATID,
	}}
	return r.ok(templates.BillingProfilePage(s.page(r), templates.BillingProfile{Form: form}))
}

func (s *Server) saveProfile(r *request) error {
	in, err := r.form(profileFields...)
	if err != nil {
		return err
	}
	err = s.Invoices.StoreProfile(r.ctx(), r.actor(), in.party())
	if form, wrong := in.wrong(err); wrong {
		return r.mistake(templates.BillingProfilePage(at(s.page(r), "/account/billing"), templates.BillingProfile{Form: form}))
	}
	if err != nil {
		return err
	}
	return r.done("/account/billing", flashBillingSaved)
}

func (in input) party() billing.Party {
	return billing.Party{
		Company: in.get("company"), Name: in.get("name"), Street: in.get("street"), Postcode: in.get("postcode"), City: in.get("city"),
		Country: in.get("country"), VATID: in.get("vat_id"),
	}
}
