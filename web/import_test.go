package web

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
)

// upload sends a file as a form does.
func (b *browser) upload(path, name string, content []byte) *answer {
	b.w.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	b.w.must(err)
	_, err = part.Write(content)
	b.w.must(err)
	b.w.must(form.Close())
	return b.do(http.MethodPost, path, form.FormDataContentType(), &body)
}

func TestImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, everything)
	w.work()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	w.exec(`update plans set seats = 100`)
	anna, path := w.as(account), importPath(id)
	file := "Benutzername;Anzeigename;E-Mail;Passwort\nIda;Ida Petersen;ida@example.org;\njan;Jan;;geheim und lang\nanna;;;\n=cmd|' /C calc'!A0;x;;\nkim;;kein Mail;\njan;;;\ntom;;;zu kurz\nuwe;;;\n"
	preview := anna.upload(path, "Klasse 7b.csv", []byte(file)).want(http.StatusSeeOther).header.Get("Location")
	page := anna.get(preview).want(http.StatusOK)
	confirm := page.wantForm(path + "/confirm")
	if n := page.doc().Find("tbody tr").Length(); n != 8 || strings.Contains(page.body, "geheim und lang") {
		t.Errorf("%d rows, or a password in the page", n)
	}
	if n := w.count(`select count(*) from import_previews where rows::text like '%geheim%'`) + w.count(`select count(*) from members`); n != 1 {
		t.Error("a password is kept in the clear, or somebody was made already")
	}
	chosen := values(confirm)
	result := anna.post(path+"/confirm", chosen).want(http.StatusSeeOther).header.Get("Location")
	anna.post(path+"/confirm", chosen).want(http.StatusUnprocessableEntity) // the same button twice
	for w.count(`select count(*) from operations where finished_at is null`) > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	done := anna.get(result).want(http.StatusOK)
	done.wantForm(result + "/links")
	if state := anna.htmx().get(result + "/state").want(http.StatusOK); strings.Contains(state.body, "<html") || strings.Contains(state.body, "hx-trigger") {
		t.Error("a finished import asks again")
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(anna.get(result+"/result.csv").want(http.StatusOK).body, "\uFEFF"))).ReadAll()
	w.must(err)
	if len(rows) != 4 || rows[1][1] != "ida" || rows[1][4] != "created" {
		t.Errorf("the result: %q", rows)
	}
	links := anna.post(result+"/links", nil).want(http.StatusOK)
	if n := strings.Count(links.body, "/set-password?token="); n != 1 || !strings.Contains(links.body, "uwe,") {
		t.Errorf("links for who has neither mail nor password: %s", links.body)
	}
	if n := w.count(`select count(*) from river_job where kind = 'member_mail'`); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestImportMistakes(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	anna, path := s.as(s.anna), importPath(s.server)
	for name, file := range map[string]string{
		"empty": "", "no header": "a;b\nc;d\n", "header only": "username\n", "a workbook": "PK\x03\x04\x00\x00", "quotes": "username,name\nx,\"open\n",
		"no encoding": "username\n\x81\x8d\n", "rows": "username\n" + strings.Repeat("a\n", 5001),
	} {
		got := anna.upload(path, "x.csv", []byte(file)).want(http.StatusUnprocessableEntity)
		if got.wantForm(path).Find(`#file[aria-invalid=true]`).Length() != 1 {
			t.Errorf("%s: the field is not marked", name)
		}
	}
	anna.upload(path, "big.csv", bytes.Repeat([]byte("x\n"), 1<<20)).want(http.StatusRequestEntityTooLarge)
	anna.do(http.MethodPost, path, "application/json", strings.NewReader(`{}`)).want(http.StatusUnsupportedMediaType)
	anna.post(path, nil).want(http.StatusUnprocessableEntity)
	anna.post(path+"/confirm", fields("preview", "x")).want(http.StatusUnprocessableEntity)
	anna.get(path + "/x").want(http.StatusUnprocessableEntity)
	for _, end := range []string{"", "/state", "/result.csv"} {
		anna.get(membersPath(s.server) + "/imports/x" + end).want(http.StatusNotFound)
	}
	// Twice the seats there are: refused with the numbers, before and after the button.
	var file strings.Builder
	file.WriteString("username\n")
	for i := range 10 {
		fmt.Fprintf(&file, "pupil%d\n", i)
	}
	preview := anna.upload(path, "x.csv", []byte(file.String())).want(http.StatusSeeOther).header.Get("Location")
	page := anna.get(preview).want(http.StatusOK)
	if page.doc().Find(`form[action="`+path+`/confirm"]`).Length() != 0 || !strings.Contains(page.body, "/plan") {
		t.Error("an import that does not fit is offered")
	}
	anna.post(path+"/confirm", fields("preview", preview[strings.LastIndex(preview, "/")+1:])).want(http.StatusUnprocessableEntity)
	// Another manager's preview is nobody else's.
	s.as(s.colleagues[controlplane.Administrator]).get(preview).want(http.StatusUnprocessableEntity)
	if n := s.count(`select count(*) from members`); n != 1 {
		t.Errorf("%d members", n)
	}
}
