package gallery

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"

	"hafen/templates/i18n"
)

// open answers one entry through the handler.
func open(t *testing.T, handler http.Handler, path string) (*httptest.ResponseRecorder, *goquery.Document) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return w, doc
}

func TestEveryEntryIsASoundPage(t *testing.T) {
	t.Parallel()
	handler := Handler()
	for _, language := range Languages {
		for _, e := range Entries() {
			t.Run(language+"/"+e.Name, func(t *testing.T) {
				t.Parallel()
				w, doc := open(t, handler, "/"+language+"/"+e.Name)
				if w.Code != e.Status {
					t.Errorf("status %d, want %d", w.Code, e.Status)
				}
				if got, _ := doc.Find("html").Attr("lang"); got != language {
					t.Errorf("lang is %q", got)
				}
				if n := doc.Find("h1").Length(); n != 1 {
					t.Errorf("%d h1", n)
				}
				if key := regexp.MustCompile(`\[[a-z_]+(\.[a-z_0-9]+)+\]`).FindString(doc.Text()); key != "" {
					t.Errorf("no words for %s", key)
				}
				if strings.Contains(doc.Text(), "<no value>") {
					t.Error("a blank was not filled")
				}
				if !e.Mail {
					checkPolicy(t, doc)
					checkNames(t, doc)
					checkStill(t, doc)
				}
			})
		}
	}
}

// checkPolicy finds what our content security policy would refuse.
func checkPolicy(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("script:not([src]), style, [style]").Each(func(_ int, s *goquery.Selection) {
		t.Errorf("inline script or style in <%s class=%q>", goquery.NodeName(s), s.AttrOr("class", ""))
	})
	doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Nodes[0].Attr {
			if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") || strings.HasPrefix(a.Val, "javascript:") {
				t.Errorf("<%s> has the handler %s", goquery.NodeName(s), a.Key)
			}
			if a.Key == "hx-vals" || a.Key == "hx-trigger" && strings.Contains(a.Val, "[") {
				t.Errorf("%s=%q needs eval", a.Key, a.Val)
			}
		}
	})
	doc.Find("form").Each(func(_ int, s *goquery.Selection) {
		if action := s.AttrOr("action", ""); !strings.HasPrefix(action, "/") || strings.HasPrefix(action, "//") {
			t.Errorf("a form posts to %q", action)
		}
		if hx := s.AttrOr("hx-post", ""); hx != "" && hx != s.AttrOr("action", "") {
			t.Errorf("with scripts a form posts to %q, without to %q", hx, s.AttrOr("action", ""))
		}
	})
}

// checkStill finds what would move under the pointer when a part comes in that a page asks for once it is there.
func checkStill(t *testing.T, doc *goquery.Document) {
	t.Helper()
	var late *html.Node
	doc.Find("main *").Each(func(_ int, s *goquery.Selection) {
		if strings.HasPrefix(s.AttrOr("hx-trigger", ""), "load") {
			late = s.Nodes[0]
		}
		if late != nil && s.Is("button, a, input:not([type=hidden]), select, textarea, summary") && s.ParentsFiltered("[hx-trigger^=load]").Length() == 0 {
			t.Errorf("%q moves when a part above it comes in", strings.TrimSpace(s.Text()))
		}
	})
}

// checkNames finds references to nowhere, ids used twice, and controls without a name.
func checkNames(t *testing.T, doc *goquery.Document) {
	t.Helper()
	ids := map[string]int{}
	doc.Find("[id]").Each(func(_ int, s *goquery.Selection) { ids[s.AttrOr("id", "")]++ })
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %q is used %d times", id, n)
		}
	}
	for _, attribute := range []string{"for", "aria-describedby", "aria-labelledby", "data-copy", "data-reveal"} {
		doc.Find("[" + attribute + "]").Each(func(_ int, s *goquery.Selection) {
			for _, id := range strings.Fields(s.AttrOr(attribute, "")) {
				if ids[id] == 0 {
					t.Errorf("%s points to %q, which is not there", attribute, id)
				}
			}
		})
	}
	doc.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, s *goquery.Selection) {
		id := s.AttrOr("id", "")
		if doc.Find(`label[for="`+id+`"]`).Length() == 0 {
			t.Errorf("input %q has no label", s.AttrOr("name", ""))
		}
	})
	doc.Find("button, summary, a").Each(func(_ int, s *goquery.Selection) {
		if strings.TrimSpace(s.Text()) == "" && s.AttrOr("aria-label", "") == "" {
			t.Errorf("<%s> without a name", goquery.NodeName(s))
		}
	})
	doc.Find("input[type=password]").Each(func(_ int, s *goquery.Selection) {
		if _, filled := s.Attr("value"); filled {
			t.Error("a password is written back")
		}
	})
}

// TestFormsKeepWhatWasTyped looks at one form with mistakes: values, sentences beside the fields, summary with focus.
func TestFormsKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	_, doc := open(t, Handler(), "/en/signup-errors")
	email := doc.Find("#email")
	if email.AttrOr("value", "") != "anna@werft" || email.AttrOr("aria-invalid", "") != "true" {
		t.Errorf("email field: %v", email.Nodes[0].Attr)
	}
	if !strings.Contains(doc.Find("#email-problem").Text(), i18n.For("en").T("error.email.invalid")) {
		t.Error("no sentence beside the field")
	}
	summary := doc.Find("[role=alert]")
	if _, focus := summary.Attr("autofocus"); !focus || summary.Find("a[href='#password']").Length() != 1 {
		t.Error("the summary does not take the focus or lead to the fields")
	}
}

func TestMailsHaveTextAndAddress(t *testing.T) {
	t.Parallel()
	for _, language := range Languages {
		for _, m := range mails(i18n.For(language)) {
			if m.mail.Subject == "" || strings.Contains(m.mail.Text, "[mail.") || strings.Contains(m.mail.Text, "<no value>") {
				t.Errorf("%s %s: %q %q", language, m.name, m.mail.Subject, m.mail.Text)
			}
			if strings.Contains(m.mail.HTML, "https://") != strings.Contains(m.mail.Text, "https://") {
				t.Errorf("%s %s: the address is in one form only", language, m.name)
			}
		}
	}
}

func TestAssetsAreServed(t *testing.T) {
	t.Parallel()
	handler := Handler()
	_, doc := open(t, handler, "/de/landing")
	sheet := doc.Find("link[rel=stylesheet]").AttrOr("href", "")
	w, _ := open(t, handler, sheet)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", sheet, w.Code, w.Header())
	}
	if w, _ := open(t, handler, "/assets/app.0000000000.css"); w.Code != http.StatusNotFound {
		t.Errorf("an outdated address answers %d", w.Code)
	}
}

// A page that asks what is new stays as it is: the gallery has no server behind it.
func TestPagesThatAskAreToldNothing(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/de/members-full", "/servers/t7k2m9/members"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("HX-Request", "true")
		Handler().ServeHTTP(w, r)
		if w.Code != http.StatusNoContent {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
