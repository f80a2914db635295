package web

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"hafen/templates"
	"hafen/tenant"
)

// mailsShown is how many kept mails the page lists.
const mailsShown = 100

// mailPolicy is for the HTML of a mail, which must bring its own style: nothing else runs, loads, posts or frames, and its
// origin is nobody's.
const mailPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; default-src 'none'; " +
	"style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// showMails shows the mails that a trial keeps instead of sending.
func (s *Server) showMails(r *request) error {
	mails, err := s.Mails.ListMails(r.ctx(), mailsShown)
	if err != nil {
		return err
	}
	vm := templates.TrialMails{Pager: templates.Pager{Page: 1, Pages: 1, Total: len(mails)}}
	for _, mail := range mails {
		id := strconv.FormatInt(mail.ID, 10)
		view := templates.TrialMail{ID: id, At: mail.CreatedAt, To: mail.To, Subject: mail.Subject, Text: mail.Text}
		if mail.HTML != "" {
			view.HTMLURL = "/trial/mails/" + id
		}
		vm.Mails = append(vm.Mails, view)
	}
	return r.ok(templates.TrialMailsPage(s.page(r), vm))
}

func (s *Server) showMailBody(r *request) error {
	unknown := &tenant.Fault{Kind: tenant.NotFound, Code: "mail.unknown"}
	id, err := strconv.ParseInt(r.Param("mail"), 10, 64)
	if err != nil {
		return unknown
	}
	mail, err := s.Mails.FindMail(r.ctx(), id)
	if err != nil {
		return err
	}
	if mail.HTML == "" {
		return unknown
	}
	r.Response().Header().Set("Content-Security-Policy", mailPolicy)
	return r.Blob(http.StatusOK, echo.MIMETextHTMLCharsetUTF8, []byte(mail.HTML))
}

func (s *Server) showCertificate(r *request) error {
	if s.certificate == nil {
		return faultStatus(http.StatusNotFound)
	}
	return r.ok(templates.TrialCertificatePage(s.page(r), templates.TrialCertificate{
		DownloadURL: "/trial/ca.pem", Fingerprint: fingerprint(s.certificate.Raw), NotAfter: s.certificate.NotAfter, FileName: "hafen-trial-ca.pem",
	}))
}

func (s *Server) downloadCertificate(r *request) error {
	if s.certificate == nil {
		return faultStatus(http.StatusNotFound)
	}
	r.Response().Header().Set("Content-Disposition", `attachment; filename="hafen-trial-ca.pem"`)
	return r.Blob(http.StatusOK, "application/x-pem-file", s.TrialCA)
}

// fingerprint is how programs show a certificate's: upper-case hex with colons.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return strings.ToUpper(strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":"))
}
