package web

import (
	"net/url"

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
			ServerID: string(order.Tenant), PlanName: order.Plan.Name.In(r.locale.Code()), Price: priceView(order.Net, order.VAT, order.Plan.VATRate),
			State: order.Status, CreatedAt: order.CreatedAt, SettledAt: moment(order.SettledAt),
		})
	}
	return r.ok(templates.OperatorOrdersPage(s.page(r), vm))
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
