package web

import (
	"strconv"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/templates"
	"hafen/tenant"
)

// showPayment is the order of a server: what to pay, and to whom.
func (s *Server) showPayment(r *request) error {
	vm, err := s.paymentView(r)
	if err != nil {
		return err
	}
	return r.ok(templates.OrderPaymentPage(s.page(r), vm))
}

func (s *Server) showPaymentState(r *request) error {
	vm, err := s.paymentView(r)
	if err != nil {
		return err
	}
	return r.ok(templates.OrderPaymentState(r.locale, vm))
}

func (s *Server) paymentView(r *request) (templates.OrderPayment, error) {
	if err := s.Subscriptions.Arrived(r.ctx(), r.actor(), r.server.ID); err != nil && tenant.FaultOf(err).Code != "subscription.unknown" {
		return templates.OrderPayment{}, err
	}
	order, err := s.Servers.Order(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return templates.OrderPayment{}, err
	}
	number, payee := invoiceNumber(order), s.Payee.of(order.Seller)
	bills, err := s.Invoices.OfServer(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return templates.OrderPayment{}, err
	}
	if len(bills) > 0 { // the first was the order's
		first := bills[len(bills)-1]
		number, payee = first.Number, s.Payee.of(first.Seller)
	}
	return templates.OrderPayment{
		State: order.Status, ServerID: string(order.Tenant), ServerName: string(r.server.ServerName),
		PlanName: order.Plan.Name.In(r.locale.Code()), InvoiceNumber: number, Price: orderPrice(order),
		CheckoutURL: order.CheckoutURL,
		Recipient:   payee.Name, IBAN: payee.IBAN, BIC: payee.BIC, Reference: number,
	}, nil
}

// payOrder leads to where an order is paid.
func (s *Server) payOrder(r *request) error {
	terms, err := s.Subscriptions.Pay(r.ctx(), r.actor(), r.server.ID, s.PublicURL)
	if err != nil {
		return err
	}
	if terms.CheckoutURL == "" {
		return r.redirect(paymentPath(r.server.ID))
	}
	return r.redirect(terms.CheckoutURL)
}

// cancelOrder gives up a server that was never paid: nothing of it exists yet.
func (s *Server) cancelOrder(r *request) error {
	if r.server.Status != tenant.AwaitingPayment {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "order.settled"}
	}
	if err := s.Servers.Delete(r.ctx(), r.actor(), r.server.ID, string(r.server.ServerName)); err != nil {
		return err
	}
	return r.done("/servers", flashOrderCancelled)
}

// of is where a seller is paid, as far as one is known; else what the command line says.
func (p Payee) of(seller billing.Party) Payee {
	if seller.IBAN == "" {
		return p
	}
	return Payee{Name: seller.Called(), IBAN: billing.GroupIBAN(seller.IBAN), BIC: seller.BIC}
}

// invoiceNumber is what people call an order.
func invoiceNumber(o controlplane.OrderView) string { return strconv.FormatInt(o.Number, 10) }

// orderPrice is what an order costs. Its add-ons may be taxed at another rate than its plan, or nobody owes the tax.
func orderPrice(o controlplane.OrderView) templates.Price {
	price := priceView(o.Net, o.VAT, o.Plan.VATRate)
	if o.Net.VAT(o.Plan.VATRate) != o.VAT {
		price.VATPercent = -1
	}
	return price
}
