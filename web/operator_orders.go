package web

import (
	"net/url"
	"strings"

	"hafen/controlplane"
	"hafen/templates"
)

// ordersPerPage is the length of a page of the list of orders.
const ordersPerPage = 50

func (s *Server) showFleetOrders(r *request) error {
	state := r.QueryParam("state")
	orders, err := s.Operators.Orders(r.ctx(), r.actor(), state)
	if err != nil {
		return err
	}
	number := pageNumber(r.QueryParam("page"))
	vm := templates.OperatorOrders{
		State: state, Pager: pager(number, len(orders), ordersPerPage, "/operator/orders", url.Values{"state": {state}}),
	}
	first := min((number-1)*ordersPerPage, len(orders))
	for _, order := range orders[first:min(first+ordersPerPage, len(orders))] {
		vm.Rows = append(vm.Rows, templates.OperatorOrder{
			ID: order.ID, InvoiceNumber: invoiceNumber(order), Customer: order.Email, ServerName: string(order.ServerName),
			ServerID: string(order.Tenant), PlanName: order.Plan.Name.In(r.locale.Code()), Price: orderPrice(order),
			State: order.Status, CreatedAt: order.CreatedAt, SettledAt: moment(order.SettledAt),
		})
	}
	if vm.Payments, err = s.payments(r); err != nil {
		return err
	}
	return r.ok(templates.OperatorOrdersPage(s.page(r), vm))
}

// payments is the last comparison with a payment provider, and what banks ask back; nil without either.
func (s *Server) payments(r *request) (*templates.OperatorPayments, error) {
	report, found, err := s.Operators.Payments(r.ctx(), r.actor())
	if err != nil {
		return nil, err
	}
	disputed, err := s.Books.Search(r.ctx(), r.actor(), controlplane.InvoiceFilter{State: controlplane.InvoicesDisputed})
	if err != nil || !found && len(disputed.Invoices) == 0 {
		return nil, err
	}
	vm := &templates.OperatorPayments{Disputes: s.billViews(disputed.Invoices)}
	if !found {
		return vm, nil
	}
	vm.Provider, vm.At, vm.Running = strings.ToUpper(report.Provider[:1])+report.Provider[1:], report.Started, report.Finished.IsZero()
	vm.Failed, vm.Subscriptions, vm.Bills = report.Error != "", report.Subscriptions, report.Bills
	for _, f := range report.Findings {
		row := templates.PaymentFinding{Kind: string(f.Kind), ExternalID: f.ExternalID, Here: f.Here, There: f.There, Repaired: f.Repaired}
		if f.Kind != controlplane.FindUnknown { // what a stranger's metadata says is no address of ours
			row.ServerID = string(f.Tenant)
		}
		vm.Findings = append(vm.Findings, row)
	}
	return vm, nil
}

func (s *Server) showPayments(r *request) error {
	vm, err := s.payments(r)
	if err != nil {
		return err
	}
	if vm == nil {
		vm = &templates.OperatorPayments{}
	}
	return r.ok(templates.OperatorPaymentsPage(s.page(r), *vm))
}

func (s *Server) markPaid(r *request) error {
	if err := s.Operators.MarkPaid(r.ctx(), r.actor(), r.Param("order")); err != nil {
		return err
	}
	return r.done("/operator/orders", flashOrderPaid)
}

func (s *Server) cancelFleetOrder(r *request) error {
	if err := s.Operators.CancelOrder(r.ctx(), r.actor(), r.Param("order")); err != nil {
		return err
	}
	return r.done("/operator/orders", flashOrderCancelled)
}
