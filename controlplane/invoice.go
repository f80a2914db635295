package controlplane

import (
	"context"
	"fmt"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Invoices is the bills of customers, for those who pay them.
type Invoices struct{ InvoicesConfig }

// InvoicesConfig is what Invoices needs.
type InvoicesConfig struct {
	Store   InvoiceStore
	Printer InvoicePrinter
	Now     func() time.Time // time.Now when nil
}

// InvoicePrinter makes the PDF of a document: always the same of the same.
type InvoicePrinter interface {
	Print(d billing.Document) ([]byte, error)
}

// InvoiceStore keeps invoices, and who they are for.
type InvoiceStore interface {
	ServerFinder
	InvoiceFiles
	ListInvoices(ctx context.Context, f InvoiceFilter) (InvoicePage, error)
	FindProfile(ctx context.Context, account string) (billing.Party, error)
	StoreProfile(ctx context.Context, actor Actor, p billing.Party) error
	FindOwed(ctx context.Context, id tenant.ID) (Owed, error)
}

// InvoiceFiles are invoices as they are given to somebody.
type InvoiceFiles interface {
	// FindInvoice gives a whole invoice; the Fault invoice.unknown when there is none.
	FindInvoice(ctx context.Context, id string) (billing.Document, error)
	// FindInvoiceFile gives its PDF, nil when it was never printed.
	FindInvoiceFile(ctx context.Context, id string) ([]byte, error)
	// StoreInvoiceFile keeps a PDF unless there is one, and gives the one that is kept.
	StoreInvoiceFile(ctx context.Context, id string, pdf []byte) ([]byte, error)
}

// InvoiceFilter narrows a list of invoices. Without anything it is all there are.
type InvoiceFilter struct {
	Account string
	Tenant  tenant.ID
	State   string // InvoiceStates; "" for all
	Search  string // part of a number, of a server's name, of a buyer's name or address
	// Issued from the first moment until before the last; zero for no bound.
	From, Until time.Time
	Page        int       // from 1; 0 for all of them, up to MostInvoices
	Now         time.Time // for what is overdue
}

// States of the list's filter beside billing.InvoiceStatus.
const (
	InvoicesOpen    = "open"
	InvoicesOverdue = "overdue"
	InvoicesPaid    = "paid"
	InvoicesVoid    = "void"
	// InvoicesDisputed are those whose money a bank has asked back, while that is not decided.
	InvoicesDisputed = "disputed"
)

// InvoicesPerPage is the length of a page of the console's list; MostInvoices of one that is not cut into pages.
const (
	InvoicesPerPage = 50
	MostInvoices    = 100_000
)

// InvoicePage is one page of invoices, newest first. Their lines are left out.
type InvoicePage struct {
	Invoices []billing.Document
	Total    int
}

// Owed is how a server stands with its bills.
type Owed struct {
	Stage       tenant.Stage
	Since       time.Time
	Amount      tenant.Money // of all open invoices, less what came in part
	Bills       int          // how many are open
	Due         time.Time    // of the oldest; zero when nothing is owed
	Invoice     string       // id of the oldest
	Number      string
	URL         string // where the provider takes the money for it; "" when we do
	PausedUntil time.Time
	PauseNote   string
	DeleteAt    time.Time // if nothing happens
}

// NewInvoices makes Invoices.
func NewInvoices(c InvoicesConfig) *Invoices {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Invoices{c}
}

// OfServer lists a server's bills, newest first.
func (i *Invoices) OfServer(ctx context.Context, actor Actor, id tenant.ID) ([]billing.Document, error) {
	if _, err := authorize(ctx, i.Store, actor, id, ManageBilling); err != nil {
		return nil, err
	}
	page, err := i.Store.ListInvoices(ctx, InvoiceFilter{Tenant: id, Now: i.Now()})
	return page.Invoices, err
}

// OfAccount lists all bills an account was given, newest first: also those of servers long gone.
func (i *Invoices) OfAccount(ctx context.Context, actor Actor) ([]billing.Document, error) {
	page, err := i.Store.ListInvoices(ctx, InvoiceFilter{Account: actor.Account, Now: i.Now()})
	return page.Invoices, err
}

// Find gives one invoice to whom it is for, to who looks after the money of its server, and to operators. To everybody else it
// is unknown.
func (i *Invoices) Find(ctx context.Context, actor Actor, id string) (billing.Document, error) {
	d, err := i.Store.FindInvoice(ctx, id)
	if err != nil {
		return billing.Document{}, err
	}
	if actor.Operator || d.Account == actor.Account {
		return d, nil
	}
	if _, err := authorize(ctx, i.Store, actor, d.Tenant, ManageBilling); err != nil {
		return billing.Document{}, unknownInvoice()
	}
	return d, nil
}

// PDF gives an invoice of our own as it was first printed.
func (i *Invoices) PDF(ctx context.Context, actor Actor, id string) (billing.Document, []byte, error) {
	d, err := i.Find(ctx, actor, id)
	if err != nil {
		return d, nil, err
	}
	if d.Provider != "invoice" {
		return d, nil, unknownInvoice() // the provider shows its own
	}
	file, err := printInvoice(ctx, i.Store, i.Printer, d)
	return d, file, err
}

// printInvoice gives the PDF that is kept, or makes it.
func printInvoice(ctx context.Context, store InvoiceFiles, printer InvoicePrinter, d billing.Document) ([]byte, error) {
	file, err := store.FindInvoiceFile(ctx, d.ID)
	if err != nil || file != nil {
		return file, err
	}
	if file, err = printer.Print(d); err != nil {
		return nil, fmt.Errorf("print invoice %s: %w", d.Number, err)
	}
	return store.StoreInvoiceFile(ctx, d.ID, file)
}

// Owed says how a server stands with its bills. Whoever sees the server may know.
func (i *Invoices) Owed(ctx context.Context, id tenant.ID) (Owed, error) {
	return i.Store.FindOwed(ctx, id)
}

// Profile is who pays for an account's servers.
func (i *Invoices) Profile(ctx context.Context, actor Actor) (billing.Party, error) {
	return i.Store.FindProfile(ctx, actor.Account)
}

// StoreProfile changes who pays, from the next invoice on: those that were issued stay as they are.
func (i *Invoices) StoreProfile(ctx context.Context, actor Actor, p billing.Party) error {
	p = p.Tidy()
	switch {
	case p.Called() == "":
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.required", Field: "name"}
	case p.Street == "":
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.required", Field: "street"}
	case p.Postcode == "":
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.required", Field: "postcode"}
	case p.City == "":
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.required", Field: "city"}
	}
	if err := p.CheckBuyer(); err != nil {
		return err
	}
	return i.Store.StoreProfile(ctx, actor, p)
}

func unknownInvoice() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "invoice.unknown"} }
