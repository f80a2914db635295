package web

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hafen/tenant"
)

func settingsForm(pairs ...string) url.Values {
	form := fields("federation", "open", "push", "yes", "language", "de")
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// federating gives an active server on a plan that allows federation.
func (w *world) federating() (*browser, string, tenant.ID) {
	w.Helper()
	anna := w.account("anna@example.org", aCustomer)
	id := w.active(anna, "werft")
	w.exec(`update tenants set plan_id = 'advanced'`)
	return w.as(anna), "/servers/" + string(id) + "/settings", id
}

func TestSettingsAreSavedAndShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, path, id := w.federating()
	form := settingsForm("federation", "list", "partners", "B.example, a.example\na.example", "name", "Werft am See", "welcome", "Moin",
		"language", "en", "upload_bytes", "20", "support_email", "help@werft.example")
	anna.post(path, form).wantRedirect(path)
	server, err := w.store.FindServer(t.Context(), "", id)
	w.must(err)
	s := server.Settings
	if s.Federation != tenant.FederationList || tenant.JoinDomains(s.Partners) != "a.example,b.example" || s.UploadBytes != 20_000_000 ||
		s.Name != "Werft am See" || server.Language != "en" || !s.Encryption {
		t.Errorf("saved: %+v, %s", s, server.Language)
	}
	page := anna.get(path).want(http.StatusOK).doc()
	if text := page.Find("#partners").Text(); text != "a.example\nb.example" {
		t.Errorf("the page shows %q", text)
	}
	if page.Find("#settings-state[hx-get]").Length() != 1 || page.Find("#encryption[disabled]").Length() != 1 {
		t.Error("the page does not follow the change, or lets people ask for what the engine cannot do")
	}
	w.provision(id)
	if state := anna.htmx().get(path + "/state").want(http.StatusOK); strings.Contains(state.body, "hx-get") {
		t.Errorf("still running: %s", state.body)
	}
	anna.post(path, form).wantRedirect(path)
	if n := w.count(`select count(*) from settings_changes`); n != 1 {
		t.Errorf("%d changes, the second form changed nothing", n)
	}
}

// The form holds all settings: one that was open for an hour must not put back what a colleague has changed meanwhile.
func TestAStaleFormChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, path, id := w.federating()
	seen, _ := anna.get(path).want(http.StatusOK).doc().Find(`input[name=seen]`).Attr("value")
	anna.post(path, settingsForm("seen", seen, "federation", "off")).wantRedirect(path)
	got := anna.post(path, settingsForm("seen", seen, "name", "Werft")).want(http.StatusUnprocessableEntity).doc()
	if got.Find(`[role=alert]`).Length() == 0 || got.Find("#federation-off[checked]").Length() != 1 {
		t.Error("nothing says what was changed meanwhile")
	}
	server, err := w.store.FindServer(t.Context(), "", id)
	w.must(err)
	if server.Settings.Federation != tenant.FederationOff || server.Settings.Name != "" {
		t.Errorf("the older form won: %+v", server.Settings)
	}
	seen, _ = got.Find(`input[name=seen]`).Attr("value")
	anna.post(path, settingsForm("seen", seen, "federation", "off", "name", "Werft")).wantRedirect(path)
}

func TestSettingsMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, path, _ := w.federating()
	for field, form := range map[string]url.Values{
		"partners":          settingsForm("federation", "list", "partners", "not a name at all"),
		"federation":        settingsForm("federation", "everybody"),
		"retention_days":    settingsForm("retention_days", "often"),
		"upload_bytes":      settingsForm("upload_bytes", "99999"),
		"name":              settingsForm("name", strings.Repeat("x", 61)),
		"support_email":     settingsForm("support_email", "nobody"),
		"support_matrix_id": settingsForm("support_matrix_id", "@:"),
		"support_page":      settingsForm("support_page", "ftp://x"),
		"previews":          settingsForm("retention_days", "7"), // the engine cannot
	} {
		got := anna.post(path, form).want(http.StatusUnprocessableEntity)
		if field == "previews" {
			field = "retention_days"
		}
		if got.doc().Find(`.problem, [role=alert]`).Length() == 0 {
			t.Errorf("%s: nothing says what is wrong", field)
		}
	}
	if n := w.count(`select count(*) from settings_changes`); n != 0 {
		t.Errorf("%d changes of forms that were refused", n)
	}
}

func logoBody(t *testing.T, content []byte) (kind string, body *bytes.Buffer) {
	t.Helper()
	body = new(bytes.Buffer)
	form := multipart.NewWriter(body)
	part, err := form.CreateFormFile("logo", "x.png")
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), body
}

func TestLogo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, path, id := w.federating()
	var picture bytes.Buffer
	w.must(png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 32, 32))))
	send := func(content []byte) *answer {
		kind, body := logoBody(t, content)
		return anna.do(http.MethodPost, path+"/logo", kind, body)
	}
	public := "/logos/" + string(id)
	w.visitor().get(public).want(http.StatusNotFound)
	for name, content := range map[string][]byte{
		"markup": []byte("<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"), "nothing": nil, "large": make([]byte, 300<<10),
	} {
		if got := send(content).want(http.StatusUnprocessableEntity); got.doc().Find("#logo-problem").Length() != 1 {
			t.Errorf("%s: nothing says what is wrong", name)
		}
	}
	if got := send(make([]byte, 2<<20)); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MB: %d", got.status)
	}
	send(picture.Bytes()).wantRedirect(path)
	got := w.visitor().get(public).want(http.StatusOK)
	if got.header.Get("Content-Type") != "image/png" || got.body != picture.String() || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the logo comes as %v", got.header)
	}
	anna.post(path+"/logo", fields("remove", "yes")).wantRedirect(path)
	w.visitor().get(public).want(http.StatusNotFound)
}
