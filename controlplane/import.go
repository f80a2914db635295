package controlplane

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"hafen/tenant"
)

// Imports is how many members come in from a file.
//
// A file is read into a preview, kept for an hour; nothing of it is written anywhere else, and passwords in it are sealed to
// the control plane as they are read. A yes reserves all seats and records one operation a row, in one transaction: from
// then on the import goes on by itself, whatever dies.
type Imports struct{ ImportsConfig }

// ImportsConfig is what Imports needs.
type ImportsConfig struct {
	Store   ImportStore
	Mailbox Mailbox
}

// ImportStore keeps imports.
type ImportStore interface {
	ServerFinder
	PreviewStore
	// CreateImport makes an import of a preview, which is then gone: faults import.gone, seats.too_few, import.changed (a name
	// was taken meanwhile), status.not_active.
	CreateImport(ctx context.Context, r ImportRequest) (id string, err error)
	ListImports(ctx context.Context, id tenant.ID) ([]Import, error)
	// FindImport says where an import stands: the Fault import.unknown when there is none.
	FindImport(ctx context.Context, id tenant.ID, importID string) (Import, error)
	// EachImported gives its rows in the order of the file.
	EachImported(ctx context.Context, id tenant.ID, importID string, give func(Imported) error) error
	CreatePasswordLinks(ctx context.Context, r PasswordLinkRequest) error
}

// PreviewStore keeps files that were read and wait for a yes.
type PreviewStore interface {
	// CreatePreview keeps one, in place of earlier ones of the same person.
	CreatePreview(ctx context.Context, actor Actor, id tenant.ID, p Preview) (preview string, err error)
	// FindPreview finds what an actor read. Names that members have by now carry the code member.exists. Fault: import.gone.
	FindPreview(ctx context.Context, actor Actor, id tenant.ID, preview string) (Preview, error)
}

// Preview is a file that was read.
type Preview struct {
	ID       string
	FileName string
	Rows     []ImportRow
	Free     int // seats
}

// Good counts the rows that can become members.
func (p Preview) Good() (n int) {
	for _, row := range p.Rows {
		if row.Code == "" {
			n++
		}
	}
	return n
}

// ImportRow is one row of a file, with what speaks against it.
type ImportRow struct {
	Line        int              `json:"line"`
	Typed       string           `json:"typed"` // the user name as it stands there
	Localpart   tenant.Localpart `json:"localpart"`
	DisplayName string           `json:"display_name"`
	Email       string           `json:"email"`
	Own         bool             `json:"own"`    // it brought a password
	Sealed      []byte           `json:"sealed"` // the password
	Code        string           `json:"code"`   // error code; "" when all is well
}

// ImportRequest asks for an import.
type ImportRequest struct {
	Actor   Actor
	Tenant  tenant.ID
	Preview string
	Rows    []ImportRow
}

// Import is where an import stands.
type Import struct {
	ID        string
	FileName  string
	Actor     string
	CreatedAt time.Time
	Total     int
	Done      int
	Failed    int
	Failures  []Imported // the first hundred
	Mailed    int        // members who got, or will get, a link by mail
	Unlinked  int        // members who are here and have no way in yet; not counted in a list
}

// Finished reports whether nothing of it is under way.
func (i Import) Finished() bool { return i.Done+i.Failed >= i.Total }

// Imported is one row of an import.
type Imported struct {
	Line      int
	Localpart tenant.Localpart
	UserID    string
	Email     string
	Own       bool
	Done      bool
	Unlinked  bool   // the member is here and has no way in: no mail, no password from the file, and none since
	Code      string // of the failure
}

// NewImports makes Imports.
func NewImports(c ImportsConfig) *Imports { return &Imports{c} }

// Read reads a file into a preview. Faults: import.*.
func (i *Imports) Read(ctx context.Context, actor Actor, id tenant.ID, fileName string, file []byte) (preview string, err error) {
	if _, err := authorize(ctx, i.Store, actor, id, ManageMembers); err != nil {
		return "", err
	}
	typed, err := readImport(file)
	if err != nil {
		return "", err
	}
	p := Preview{FileName: clip(fileName, 100)}
	lines := map[tenant.Localpart]int{}
	for _, row := range typed {
		checked, err := i.check(id, row)
		if err != nil {
			return "", err
		}
		if checked.Code == "" && lines[checked.Localpart] > 0 {
			checked.Code = "import.duplicate"
		}
		if checked.Code == "" {
			lines[checked.Localpart] = checked.Line
		} else {
			checked.Sealed = nil
		}
		p.Rows = append(p.Rows, checked)
	}
	return i.Store.CreatePreview(ctx, actor, id, p)
}

// check reads one row as the forms for one member would, and seals its password or one that nobody knows.
func (i *Imports) check(id tenant.ID, typed typedRow) (row ImportRow, err error) {
	row = ImportRow{Line: typed.line, Typed: clip(typed.name, 100), DisplayName: clip(typed.display, 200), Email: clip(typed.email, 300), Own: typed.password != ""}
	who, err := tenant.ParseLocalpart(typed.name)
	if err != nil {
		return refused(row, err)
	}
	row.Localpart = who
	if err := checkDisplayName(typed.display); err != nil {
		return refused(row, err)
	}
	if typed.email != "" {
		if row.Email, err = ParseEmail(typed.email); err != nil {
			row.Email = clip(typed.email, 300)
			return refused(row, err)
		}
	}
	password := typed.password
	if password == "" {
		password = GeneratePassword()
	}
	if err := checkMemberPassword(password); err != nil {
		return refused(row, err)
	}
	if row.Sealed, err = i.Mailbox.SealMail([]byte(password), MailContext(id, who)); err != nil {
		return row, fmt.Errorf("seal a password: %w", err)
	}
	return row, nil
}

func refused(row ImportRow, err error) (ImportRow, error) {
	fault, ok := errors.AsType[*tenant.Fault](err)
	if !ok {
		return row, err
	}
	row.Code = fault.Code
	return row, nil
}

// Preview finds what was read.
func (i *Imports) Preview(ctx context.Context, actor Actor, id tenant.ID, preview string) (Preview, error) {
	server, err := authorize(ctx, i.Store, actor, id, ManageMembers)
	if err != nil {
		return Preview{}, err
	}
	p, err := i.Store.FindPreview(ctx, actor, id, preview)
	p.Free = max(server.Quota.Seats-server.Usage.Seats, 0)
	return p, err
}

// Begin makes members of a preview's good rows. Faults: import.gone, import.none, and those of CreateImport.
func (i *Imports) Begin(ctx context.Context, actor Actor, id tenant.ID, preview string) (importID string, err error) {
	p, err := i.Preview(ctx, actor, id, preview)
	if err != nil {
		return "", err
	}
	r := ImportRequest{Actor: actor, Tenant: id, Preview: preview}
	for _, row := range p.Rows {
		if row.Code == "" {
			r.Rows = append(r.Rows, row)
		}
	}
	if len(r.Rows) == 0 {
		return "", &tenant.Fault{Kind: tenant.Invalid, Code: "import.none"}
	}
	return i.Store.CreateImport(ctx, r)
}

// TooFewSeats is the fault of an import that does not fit.
func TooFewSeats(need, free int) error {
	return &tenant.Fault{Kind: tenant.OverQuota, Code: "seats.too_few", Params: map[string]string{
		"Need": strconv.Itoa(need), "Free": strconv.Itoa(free),
	}}
}

// List gives the imports of the last ninety days, newest first.
func (i *Imports) List(ctx context.Context, actor Actor, id tenant.ID) ([]Import, error) {
	if _, err := authorize(ctx, i.Store, actor, id, SeeMembers); err != nil {
		return nil, err
	}
	return i.Store.ListImports(ctx, id)
}

// Find says where an import stands.
func (i *Imports) Find(ctx context.Context, actor Actor, id tenant.ID, importID string) (Import, error) {
	if _, err := authorize(ctx, i.Store, actor, id, SeeMembers); err != nil {
		return Import{}, err
	}
	return i.Store.FindImport(ctx, id, importID)
}

// Result gives the rows of an import, in the order of the file.
func (i *Imports) Result(ctx context.Context, actor Actor, id tenant.ID, importID string, give func(Imported) error) error {
	if _, err := authorize(ctx, i.Store, actor, id, SeeMembers); err != nil {
		return err
	}
	return i.Store.EachImported(ctx, id, importID, give)
}

// Links makes a set-password link for every member of an import who has no way in yet.
func (i *Imports) Links(ctx context.Context, actor Actor, id tenant.ID, importID string) ([]MemberToken, error) {
	if _, err := authorize(ctx, i.Store, actor, id, ManageMembers); err != nil {
		return nil, err
	}
	var tokens []MemberToken
	r := PasswordLinkRequest{Actor: actor, Tenant: id, Lifetime: MailedLinkLifetime}
	err := i.Store.EachImported(ctx, id, importID, func(row Imported) error {
		if row.Unlinked {
			token, hash := NewToken()
			tokens = append(tokens, MemberToken{Member: Member{Localpart: row.Localpart, UserID: row.UserID}, Token: token})
			r.Links = append(r.Links, NewPasswordLink{Localpart: row.Localpart, Hash: hash})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		return nil, &tenant.Fault{Kind: tenant.Conflict, Code: "import.no_links"}
	}
	return tokens, i.Store.CreatePasswordLinks(ctx, r)
}

// MemberMailArgs is the job: send a member who has just been made the link to set their password.
type MemberMailArgs struct {
	Tenant    tenant.ID        `json:"tenant"`
	Localpart tenant.Localpart `json:"localpart"`
	Email     string           `json:"email"`
}

// Kind names the job.
func (MemberMailArgs) Kind() string { return "member_mail" }

// MemberMailStore reads what the mail tells and keeps its link.
type MemberMailStore interface {
	ServerFinder
	CreatePasswordLinks(ctx context.Context, r PasswordLinkRequest) error
}

// MemberMailWorker does MemberMailArgs. To be registered with River. Killed after its work it sends a second mail with a
// second link; none is lost.
type MemberMailWorker struct {
	river.WorkerDefaults[MemberMailArgs]
	Store MemberMailStore
	Texts MailTexts
	Now   func() time.Time // optional
}

// Work writes the mail.
func (w *MemberMailWorker) Work(ctx context.Context, job *river.Job[MemberMailArgs]) error {
	args, now := job.Args, time.Now
	if w.Now != nil {
		now = w.Now
	}
	server, err := w.Store.FindServer(ctx, "", args.Tenant)
	if err != nil {
		return fmt.Errorf("find the server of a mail: %w", err)
	}
	link, err := passwordMail(w.Texts, server, args.Localpart, MemberPasswordMail{
		MailLink: MailLink{Email: args.Email, Expires: now().Add(MailedLinkLifetime)}, New: true,
	})
	if err != nil {
		return err
	}
	err = w.Store.CreatePasswordLinks(ctx, PasswordLinkRequest{Actor: Hafen, Tenant: args.Tenant, Lifetime: MailedLinkLifetime, Links: []NewPasswordLink{link}})
	if tenant.FaultOf(err).Kind == tenant.NotFound {
		return river.JobCancel(err) // deactivated or gone meanwhile
	}
	return err
}
