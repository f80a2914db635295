package templates

import "time"

// ImportForm is /servers/{id}/members/import.
//
//	file → POST /servers/{id}/members/import
type ImportForm struct {
	Server  Server
	Seats   Seats
	Form    Form
	Imports []Import // earlier ones
}

// ImportPreview is /servers/{id}/members/import/{preview}: what would become of each row.
//
//	preview → POST /servers/{id}/members/import/confirm
type ImportPreview struct {
	Server   Server
	ID       string
	FileName string
	Rows     []ImportRow // those with something wrong first, at most MostPreviewRows
	Total    int
	Good     int
	Mails    int // how many of the good will get a mail
	Free     int // seats
	Form     Form
}

// MostPreviewRows is how many rows a preview shows.
const MostPreviewRows = 200

func (vm ImportPreview) fits() bool { return vm.Good > 0 && vm.Good <= vm.Free }

// ImportRow is one row of a file.
type ImportRow struct {
	Line        int
	Name        string
	DisplayName string
	Email       string
	Own         bool   // it brought a password
	Code        string // what is wrong: `error.<Code>`
}

// Import is an import, and how far it is.
type Import struct {
	ID                  string
	FileName            string
	CreatedAt           time.Time
	Actor               string
	Total, Done, Failed int
	Mailed, Unlinked    int
	Failures            []ImportRow
}

func (i Import) finished() bool { return i.Done+i.Failed >= i.Total }

func (i Import) share() float64 { return share(int64(i.Done+i.Failed), int64(i.Total)) }

// ImportProgress is /servers/{id}/members/imports/{import}.
//
//	→ POST .../links: ImportLinks as a file; GET .../result.csv
type ImportProgress struct {
	Server Server
	Import Import
	Manage bool
}

// refresh is how often a browser without scripts looks again.
func (vm ImportProgress) refresh() string {
	if vm.Import.finished() {
		return ""
	}
	return "3"
}

func importField(l Locale) field { return field{Name: "file", Label: l.T("import.file")} }
