package templates

import (
	"regexp"
	"strconv"
	"time"
)

var (
	// formula is what begins like one: a cell, or what becomes a cell in a spreadsheet that splits at another character than we do.
	formula = regexp.MustCompile(`(^|[;,"|])( *[=+@-])`)
	// controls split cells and rows, and belong into no name.
	controls = regexp.MustCompile(`[[:cntrl:]]+`)
)

// csvCell keeps a spreadsheet from running what somebody has put into a name as a formula (OWASP, "CSV Injection"): what begins
// like one gets an apostrophe, which spreadsheets take for "this is text".
func csvCell(s string) string {
	return formula.ReplaceAllString(controls.ReplaceAllString(s, " "), "$1'$2")
}

// CSVSeparator is what a spreadsheet of the language splits at, so that a file opens in columns.
func CSVSeparator(l Locale) rune {
	if l.Code() == "de" {
		return ';'
	}
	return ','
}

func csvRow(cells ...string) []string {
	for i := range cells {
		cells[i] = csvCell(cells[i])
	}
	return cells
}

func csvTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// MembersCSVHead is the first row of an export.
func MembersCSVHead(l Locale) []string {
	return csvRow(l.T("csv.name"), l.T("csv.display_name"), l.T("csv.id"), l.T("csv.state"), l.T("csv.created"), l.T("csv.seen"), l.T("csv.storage"))
}

// MembersCSVRow is one member of an export.
func MembersCSVRow(m Member) []string {
	return csvRow(m.Localpart, m.DisplayName, m.MatrixID, m.State, csvTime(m.CreatedAt), csvTime(m.SeenAt), strconv.FormatInt(m.MediaBytes, 10))
}

// ImportCSVHead is the first row of an import's result.
func ImportCSVHead(l Locale) []string {
	return csvRow(l.T("csv.line"), l.T("csv.name"), l.T("csv.id"), l.T("csv.email"), l.T("csv.outcome"))
}

// ImportCSVRow is one row of an import's result.
func ImportCSVRow(l Locale, row ImportRow, id string, done bool) []string {
	outcome := l.T("csv.outcome.waiting")
	switch {
	case row.Code != "":
		outcome = l.Error(row.Code, nil)
	case done:
		outcome = l.T("csv.outcome.created")
	}
	return csvRow(strconv.Itoa(row.Line), row.Name, id, row.Email, outcome)
}

// LinksCSVHead is the first row of a file with set-password links.
func LinksCSVHead(l Locale) []string {
	return csvRow(l.T("csv.name"), l.T("csv.id"), l.T("csv.link"))
}

// LinksCSVRow is one link.
func LinksCSVRow(localpart string, t MemberToken) []string {
	return csvRow(localpart, t.MatrixID, t.URL)
}
