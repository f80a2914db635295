package web

import (
	"net/http"

	"hafen/controlplane"
	"hafen/templates"
)

// findCustomer leads from an address to its account.
func (s *Server) findCustomer(r *request) error {
	email := r.QueryParam("email")
	if email == "" {
		return r.ok(templates.OperatorSearchPage(s.page(r), templates.OperatorSearch{}))
	}
	id, err := s.Accounts.FindCustomerByEmail(r.ctx(), r.actor(), email)
	typed := input{form: templates.Form{Values: map[string]string{"email": email}}}
	if form, wrong := typed.wrong(err); wrong {
		return r.mistake(templates.OperatorSearchPage(s.page(r), templates.OperatorSearch{Form: form}))
	}
	if err != nil {
		return err
	}
	return r.redirect(customerPath(id))
}

func customerPath(id string) string { return "/operator/accounts/" + id }

func (s *Server) showCustomer(r *request) error {
	account, found, err := s.Accounts.FindCustomer(r.ctx(), r.actor(), r.Param("account"))
	if err != nil {
		return err
	}
	return r.ok(templates.OperatorCustomerPage(s.page(r), templates.OperatorCustomer{
		ID: account.ID, Email: account.Email, Language: account.Language, Verified: account.Verified, CreatedAt: account.CreatedAt,
		TwoStep: securityCard(found),
	}))
}

func (s *Server) showResetTwoStep(r *request) error {
	return s.resetPage(r, http.StatusOK, templates.Form{})
}

func (s *Server) resetPage(r *request, status int, form templates.Form) error {
	account, _, err := s.Accounts.FindCustomer(r.ctx(), r.actor(), r.Param("account"))
	if err != nil {
		return err
	}
	vm := templates.OperatorReset{ID: account.ID, Email: account.Email, Form: form}
	return r.render(status, templates.OperatorResetPage(s.page(r), vm))
}

// resetTwoStep lets a customer in again who has lost everything.
func (s *Server) resetTwoStep(r *request) error {
	in, err := r.form("email", "note")
	if err != nil {
		return err
	}
	err = s.Accounts.ResetTwoStep(r.ctx(), r.actor(), controlplane.ResetByOperator{
		Account: r.Param("account"), Email: in.get("email"), Note: in.get("note"),
	})
	if form, wrong := in.wrong(err); wrong {
		return s.resetPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return r.done(customerPath(r.Param("account")), flashTwoStepReset)
}
