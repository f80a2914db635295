package journey

import (
	"net/http/httptest"
	"testing"

	"hafen/web/gallery"
)

// TestGallery looks at every page in every state, those a walk does not come by included.
func TestGallery(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(gallery.Handler())
	t.Cleanup(server.Close)
	for _, language := range gallery.Languages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t, server.URL, language)
			for _, entry := range gallery.Entries() {
				p.lookAtEntry(entry)
			}
		})
	}
}

// lookAtEntry looks at it on the desk in light and on the phone in the dark.
func (p *person) lookAtEntry(entry gallery.Entry) {
	p.t.Helper()
	p.sit(desk, false)
	p.open("/" + p.Code() + "/" + entry.Name)
	title := `^\S.* · Hafen$`
	if entry.Mail {
		title = `\S` // its subject
	}
	if entry.Status != 200 {
		p.forgive() // Chromium writes a line about every answer that is no success, and this one is shown on purpose
	}
	p.calm("gallery "+entry.Name, "/"+p.Code()+"/"+entry.Name)
	evaluate[string](p, axeScript+`; axe.version`)
	for _, fault := range p.wrong(desk, title, true) {
		p.t.Errorf("%s gallery %s, desktop, light: %s", p.Code(), entry.Name, fault)
	}
	p.sit(phone, true)
	for _, fault := range p.wrong(phone, title, true) {
		p.t.Errorf("%s gallery %s, phone, dark: %s", p.Code(), entry.Name, fault)
	}
}
