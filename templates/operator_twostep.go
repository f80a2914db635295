package templates

import "time"

// OperatorSearch finds a customer by address. Field: email; asked for with GET /operator/accounts.
type OperatorSearch struct{ Form Form }

// OperatorCustomer is a customer's account as an operator sees it.
type OperatorCustomer struct {
	ID        string
	Email     string
	Language  string
	Verified  bool
	CreatedAt time.Time
	TwoStep   SecurityCard
}

// OperatorReset resets a customer's second steps. Fields: email, note; posted to /operator/accounts/{id}/two-step.
type OperatorReset struct {
	ID    string
	Email string
	Form  Form
}

func resetFields(l Locale, email string) []field {
	return []field{
		{Name: "note", Label: l.T("operator.reset.note"), Help: l.T("operator.reset.note.help"), Autocomplete: "off", MaxLength: "500"},
		{Name: "email", ID: "reset-email", Label: l.T("operator.reset.email", "Email", email), Type: "email", Autocomplete: "off"},
	}
}
