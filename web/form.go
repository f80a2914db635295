package web

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"hafen/templates"
	"hafen/tenant"
)

// maxForm is the largest body of a form without a file. Our longest form, an order, has some 600 bytes; a password of 256 bytes that is
// percent-encoded has 768.
const maxForm = 64 << 10

// maxFile is the largest body of a route that takes a file: a list of some thousand members, a logo.
const maxFile = 1<<20 + maxForm

// maxEvent is the largest body of a machine's. Stripe's events hold one object each: the largest, a bill of many lines, has some
// hundred kilobytes.
const maxEvent = 1 << 20

func (r *request) maxBody() int64 {
	switch {
	case r.route.nature.has(file):
		return maxFile
	case r.route.nature.has(machine):
		return maxEvent
	default:
		return maxForm
	}
}

// checkSize refuses a body that says it is too large before a byte of it is read, and stops reading one that lied.
func (s *Server) checkSize(r *request) error {
	body := r.Request()
	if body.ContentLength > r.maxBody() {
		// Without this the server would read on, to keep the connection.
		r.Response().Header().Set("Connection", "close")
		return faultStatus(http.StatusRequestEntityTooLarge)
	}
	if body.Body != nil {
		body.Body = http.MaxBytesReader(r.Response(), body.Body, r.maxBody())
	}
	return nil
}

// checkText refuses addresses with text that is none: PostgreSQL knows neither the zero byte nor broken UTF-8, and no person
// types either.
func (s *Server) checkText(r *request) error {
	u := r.Request().URL
	if !readable(u.Path) {
		return faultStatus(http.StatusBadRequest)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return faultStatus(http.StatusBadRequest)
	}
	return checkValues(query)
}

func checkValues(values url.Values) error {
	for name, list := range values {
		for _, value := range append(list, name) {
			if !readable(value) {
				return faultStatus(http.StatusBadRequest)
			}
		}
	}
	return nil
}

func readable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// input is a form that was sent.
type input struct {
	values url.Values
	form   templates.Form
}

// form is what was sent with a POST; the router has read it. The fields named in keep are shown again when something is wrong; passwords and tokens
// must not be among them.
func (r *request) form(keep ...string) (input, error) {
	values := r.Request().PostForm
	if err := checkValues(values); err != nil {
		return input{}, err
	}
	in := input{values: values, form: filled(values, keep)}
	if r.server.ID != "" {
		in.form.PlanURL = serverPath(r.server.ID) + "/plan"
	}
	return in, nil
}

// parse reads a body that must be a form, whatever the route does with it.
func (r *request) parse() error {
	kind, _, err := mime.ParseMediaType(r.Request().Header.Get("Content-Type"))
	switch {
	case r.Request().ContentLength == 0:
		err = r.Request().ParseForm() // a button without fields
	case err == nil && kind == "application/x-www-form-urlencoded":
		err = r.Request().ParseForm()
	case err == nil && kind == "multipart/form-data":
		err = r.Request().ParseMultipartForm(r.maxBody()) // in memory: nothing of it is ever written to disk
	default:
		return faultStatus(http.StatusUnsupportedMediaType)
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return faultStatus(http.StatusRequestEntityTooLarge)
	}
	if err != nil {
		return faultStatus(http.StatusBadRequest)
	}
	return nil
}

func filled(values url.Values, keep []string) templates.Form {
	form := templates.Form{Values: map[string]string{}}
	for _, name := range keep {
		form.Values[name] = values.Get(name)
	}
	return form
}

func (in input) get(name string) string { return in.values.Get(name) }

// wrong is the form with what err complains about; false when err is nil or nothing the person can mend.
func (in input) wrong(err error) (templates.Form, bool) {
	if err == nil {
		return in.form, false
	}
	form := in.form
	form.Errors = map[string]templates.Problem{}
	for _, fault := range tenant.FaultsOf(err) {
		if !isMistake(fault) {
			return in.form, false
		}
		if !form.Wrong(fault.Field) { // of several about one field the first says most
			form.Errors[fault.Field] = templates.Problem{Code: fault.Code, Params: fault.Params}
		}
	}
	return form, true
}

// accepted is the fault of a form whose terms were not agreed to.
func (in input) accepted() error {
	if in.get("terms") == "" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "terms.required", Field: "terms"}
	}
	return nil
}
