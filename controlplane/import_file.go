package controlplane

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"hafen/tenant"
)

// What a file of members may hold.
const (
	MaxImportBytes = 1 << 20
	MaxImportRows  = 5000
)

// importColumn is a column we read.
type importColumn int

const (
	columnName importColumn = iota
	columnDisplay
	columnEmail
	columnPassword
)

// importHeaders are the words above the columns, without blanks and hyphens, in small letters.
var importHeaders = map[string]importColumn{
	"username": columnName, "user": columnName, "login": columnName, "localpart": columnName, "benutzername": columnName, "benutzer": columnName,
	"displayname": columnDisplay, "name": columnDisplay, "fullname": columnDisplay, "anzeigename": columnDisplay, "vollername": columnDisplay,
	"email": columnEmail, "mail": columnEmail, "emailaddress": columnEmail, "emailadresse": columnEmail, "mailadresse": columnEmail,
	"password": columnPassword, "passwort": columnPassword, "kennwort": columnPassword,
}

// typedRow is a row as it stands in the file.
type typedRow struct {
	line                           int
	name, display, email, password string
}

// readImport reads a file of members. Faults: import.large, import.encoding, import.empty, import.header, import.quotes (with
// the line), import.rows.
func readImport(file []byte) ([]typedRow, error) {
	if len(file) > MaxImportBytes {
		return nil, invalidFile("import.large", nil)
	}
	text, err := decodeText(file)
	if err != nil {
		return nil, err
	}
	reader := csv.NewReader(strings.NewReader(text))
	reader.Comma, reader.FieldsPerRecord = separatorOf(text), -1
	// Where tabs separate, trimming would take an empty cell away and shift the rest of its row: a password into a name.
	reader.TrimLeadingSpace = reader.Comma != '\t'
	head, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, invalidFile("import.empty", nil)
	}
	if err != nil {
		return nil, malformed(err)
	}
	columns := readHeader(head)
	if !slices.Contains(columns, columnName) {
		return nil, invalidFile("import.header", nil)
	}
	return readRows(reader, columns)
}

func readRows(reader *csv.Reader, columns []importColumn) ([]typedRow, error) {
	var rows []typedRow
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, malformed(err)
		}
		line, _ := reader.FieldPos(0)
		row := typedRow{line: line}
		for i, value := range record {
			if i < len(columns) {
				row.put(columns[i], strings.TrimSpace(value))
			}
		}
		if row == (typedRow{line: line}) {
			continue // spreadsheets leave empty rows at the end
		}
		if rows = append(rows, row); len(rows) > MaxImportRows {
			return nil, invalidFile("import.rows", map[string]string{"Most": strconv.Itoa(MaxImportRows)})
		}
	}
	if len(rows) == 0 {
		return nil, invalidFile("import.empty", nil)
	}
	return rows, nil
}

func (r *typedRow) put(column importColumn, value string) {
	switch column {
	case columnName:
		r.name = value
	case columnDisplay:
		r.display = value
	case columnEmail:
		r.email = value
	case columnPassword:
		r.password = value
	}
}

// unread is a column we do not know.
const unread importColumn = -1

func readHeader(head []string) []importColumn {
	columns := make([]importColumn, len(head))
	for i, word := range head {
		known, ok := importHeaders[strings.NewReplacer(" ", "", "-", "", "_", "").Replace(strings.ToLower(word))]
		if columns[i] = known; !ok || slices.Contains(columns[:i], known) {
			columns[i] = unread
		}
	}
	return columns
}

// separatorOf is what the first line uses most: German spreadsheets write semicolons, English ones commas.
func separatorOf(text string) rune {
	head, _, _ := strings.Cut(text, "\n")
	best, most := ',', 0
	for _, c := range []rune{',', ';', '\t'} {
		if n := strings.Count(head, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// decodeText makes UTF-8 of what spreadsheets write: UTF-8, UTF-16 with its mark, or else Windows-1252.
func decodeText(file []byte) (string, error) {
	switch {
	case bytes.HasPrefix(file, []byte{0xFF, 0xFE}), bytes.HasPrefix(file, []byte{0xFE, 0xFF}):
		return decodeUTF16(file)
	case bytes.IndexByte(file, 0) >= 0:
		return "", invalidFile("import.encoding", nil) // a workbook, an archive, UTF-16 without its mark
	case utf8.Valid(file):
		return strings.TrimPrefix(string(file), "\uFEFF"), nil
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(file)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return "", invalidFile("import.encoding", nil)
	}
	return string(text), nil
}

func decodeUTF16(file []byte) (string, error) {
	low, high := 0, 1
	if file[0] == 0xFE {
		low, high = 1, 0
	}
	if len(file)%2 != 0 {
		return "", invalidFile("import.encoding", nil)
	}
	units := make([]uint16, 0, len(file)/2)
	for i := 2; i < len(file); i += 2 {
		units = append(units, uint16(file[i+low])|uint16(file[i+high])<<8)
	}
	text := string(utf16.Decode(units))
	if strings.ContainsRune(text, 0) || strings.ContainsRune(text, utf8.RuneError) {
		return "", invalidFile("import.encoding", nil)
	}
	return text, nil
}

func malformed(err error) error {
	line := 0
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		line = parse.StartLine
	}
	return invalidFile("import.quotes", map[string]string{"Line": strconv.Itoa(line)})
}

func invalidFile(code string, params map[string]string) error {
	return &tenant.Fault{Kind: tenant.Invalid, Code: code, Field: "file", Params: params}
}
