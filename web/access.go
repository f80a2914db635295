package web

import (
	"net/url"

	"hafen/controlplane"
	"hafen/tenant"
)

// access says who may use a route. Its zero value lets nobody in.
type access int

const (
	_        access = iota
	public          // everybody
	trial           // everybody, in trial mode; elsewhere the route does not exist
	visitor         // whoever is not logged in; others are led home
	signed          // any session, even one that must change its password first
	setup           // any other session, even an operator's who must set up a second step first
	member          // any other session, of a customer or an operator
	customer        // a customer
	// A customer whose role on the server :id has a permission; the server is loaded into the request.
	sees
	seesMembers
	managesMembers
	appointsAdmins
	managesContent
	managesSettings
	managesBilling
	managesColleagues
	deletes
	operator // the hoster's staff
)

// needs is the permission of those that are about one server.
var needs = map[access]controlplane.Permission{
	sees: controlplane.See, seesMembers: controlplane.SeeMembers, managesMembers: controlplane.ManageMembers,
	appointsAdmins: controlplane.AppointAdmins, managesContent: controlplane.ManageContent, managesSettings: controlplane.ManageSettings, managesBilling: controlplane.ManageBilling,
	managesColleagues: controlplane.ManageColleagues, deletes: controlplane.DeleteServer,
}

// admit applies a route's access, and leads whoever has been logged in for a while to the proof that it is still them, where a
// route asks for it. It returns false when it has answered itself, with a redirect.
func (s *Server) admit(r *request, route route) (bool, error) {
	if ok, err := s.allow(r, route); err != nil || !ok {
		return ok, err
	}
	if route.nature.has(fresh) && !r.session.Fresh() {
		return false, s.askToReauthenticate(r)
	}
	return true, nil
}

// allow applies a route's access alone.
func (s *Server) allow(r *request, route route) (bool, error) {
	if route.access == public || route.access == trial {
		return true, nil
	}
	if r.session == nil {
		if route.access == visitor {
			return true, nil
		}
		return false, askToLogIn(r, route)
	}
	account := r.session.Account
	switch {
	case route.access == visitor:
		return false, r.redirect(home(account))
	case route.access == signed:
		return true, nil
	case account.MustChange:
		return false, r.mustChange(route)
	case route.access == setup:
		return true, nil
	case s.OperatorsNeedTwoStep && account.Operator && !account.TwoStep:
		return false, r.mustSetUp(route)
	}
	switch route.access {
	case member:
		return true, nil
	case operator:
		if !account.Operator {
			return false, &tenant.Fault{Kind: tenant.Forbidden, Code: "operator.only"}
		}
		return true, nil
	case customer, sees, seesMembers, managesMembers, appointsAdmins, managesContent, managesSettings, managesBilling, managesColleagues, deletes:
		// Operators act on servers in their console, where it is recorded as theirs, never in a customer's place.
		if account.Operator {
			return false, &tenant.Fault{Kind: tenant.Forbidden, Code: "customer.only"}
		}
		if route.access == customer {
			return true, nil
		}
		return s.loadServer(r, needs[route.access])
	default:
		return false, &tenant.Fault{Kind: tenant.Forbidden, Code: "operator.only"}
	}
}

// loadServer finds the server in the path. Without any role on it, it is the same fault as one that does not exist.
func (s *Server) loadServer(r *request, needed controlplane.Permission) (bool, error) {
	id, err := tenant.ParseID(r.Param("id"))
	if err != nil {
		return false, err
	}
	r.server, err = s.Servers.Find(r.ctx(), r.actor(), id)
	if err != nil {
		return false, err
	}
	if !r.server.Role.May(needed) {
		return false, &tenant.Fault{Kind: tenant.Forbidden, Code: "role.forbidden"}
	}
	if r.safe() && !r.route.nature.has(fragment|stream|download) { // what has a head has the banner in it
		r.owed, err = s.Invoices.Owed(r.ctx(), id)
	}
	return err == nil, err
}

// askToLogIn leads a visitor to the login and, from a page, back again.
func askToLogIn(r *request, route route) error {
	if route.nature.has(fragment) || route.nature.has(stream) || r.htmx() {
		r.Response().Header().Set("HX-Redirect", "/login")
		return &tenant.Fault{Kind: tenant.Unauthenticated, Code: "session.ended"}
	}
	if !r.safe() {
		return r.redirect("/login")
	}
	return r.redirect("/login?" + url.Values{"next": {r.Request().URL.RequestURI()}}.Encode())
}

func (r *request) mustChange(route route) error {
	if r.safe() && route.nature&^fresh == page {
		return r.redirect(home(r.session.Account))
	}
	return &tenant.Fault{Kind: tenant.Forbidden, Code: "password.must_change"}
}

// mustSetUp leads an operator whose password is all there is to the second step.
func (r *request) mustSetUp(route route) error {
	if r.safe() && route.nature&^fresh == page {
		return r.redirect(twoStepPath)
	}
	return &tenant.Fault{Kind: tenant.Forbidden, Code: "twostep.required"}
}

// home is the first page of an account.
func home(a controlplane.Account) string {
	switch {
	case a.MustChange:
		return accountPath(a)
	case a.Operator:
		return "/operator"
	default:
		return "/servers"
	}
}

func accountPath(a controlplane.Account) string {
	if a.Operator {
		return "/operator/account"
	}
	return "/account"
}
