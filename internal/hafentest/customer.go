package hafentest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"hafen/tenant"
)

// Password of every customer, and of every member whose password the tests set.
const Password = "Segelboot-am-Kai-77"

// Customer is a person with a browser, less the browser: forms are sent as it sends them, and cookies kept.
type Customer struct {
	h      *Hafen
	client *http.Client
	Email  string
	// Engine is what this customer's servers run on. Dendrite when "": most tests are about Hafen, and it starts in no time.
	Engine tenant.EngineName
}

// Server is a customer's homeserver.
type Server struct {
	ID       tenant.ID
	Name     string // server name
	Customer *Customer
}

// NewCustomer signs up, follows the link in the mail, and logs in.
func (h *Hafen) NewCustomer(email string) *Customer {
	h.t.Helper()
	c := h.Visitor()
	c.Email = email
	c.Post("/signup", url.Values{"email": {email}, "password": {Password}})
	var token string
	h.Await(20*time.Second, "mail to "+email, func() error {
		for _, mail := range regexp.MustCompile(`/trial/mails/\d+`).FindAllString(c.Get("/trial/mails"), -1) {
			body := c.Get(mail)
			if m := regexp.MustCompile(`/verify\?token=([A-Za-z0-9_-]+)`).FindStringSubmatch(body); m != nil && strings.Contains(body, email) {
				token = m[1]
				return nil
			}
		}
		return fmt.Errorf("no link yet")
	})
	c.Post("/verify", url.Values{"token": {token}})
	c.LogIn(email, Password)
	return c
}

// Visitor is somebody who is not logged in.
func (h *Hafen) Visitor() *Customer {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	client := h.HTTPClient()
	client.Jar = secureJar{jar}
	return &Customer{h: h, client: client}
}

// LogIn logs in.
func (c *Customer) LogIn(email, password string) {
	c.h.t.Helper()
	c.Post("/login", url.Values{"email": {email}, "password": {password}})
}

// Get gives the page at path.
func (c *Customer) Get(path string) string {
	c.h.t.Helper()
	return c.do(http.MethodGet, path, nil)
}

// Post sends a form, follows where it leads, and gives that page.
func (c *Customer) Post(path string, form url.Values) string {
	c.h.t.Helper()
	return c.do(http.MethodPost, path, form)
}

func (c *Customer) do(method, path string, form url.Values) string {
	c.h.t.Helper()
	status, body := c.Try(method, path, form)
	if status != http.StatusOK {
		c.h.t.Fatalf("%s %s: %d\n%s", method, path, status, words(body))
	}
	return body
}

// Try sends a request, follows where it leads, and gives what is there, whatever its status.
func (c *Customer) Try(method, path string, form url.Values) (status int, page string) {
	c.h.t.Helper()
	status, page, _, err := c.Attempt(method, path, form)
	if err != nil {
		c.h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, page
}

// Attempt is Try where there may be no answer. It also says where the browser has been led to.
func (c *Customer) Attempt(method, path string, form url.Values) (status int, page string, at *url.URL, err error) {
	c.h.t.Helper()
	request, err := http.NewRequestWithContext(c.h.t.Context(), method, c.h.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.h.t.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", c.h.URL())
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return 0, "", nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), answer.Request.URL, err
}

func words(page string) string {
	return html.UnescapeString(strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")), " "))
}

// Order orders a server NAME.<base> and returns when the order is recorded.
func (c *Customer) Order(plan, name string) Server {
	c.h.t.Helper()
	c.Post("/order", url.Values{"plan": {plan}, "kind": {"subdomain"}, "engine": {string(cmp.Or(c.Engine, tenant.Dendrite))}, "name": {name}, "localpart": {"admin"}, "terms": {"yes"}})
	id := Query[string](c.h, `select id from tenants where server_name = $1 and status <> 'deleted'`, name+"."+c.h.Base)
	return Server{ID: tenant.ID(id), Name: name + "." + c.h.Base, Customer: c}
}

// Server orders a server and waits until it is active.
func (c *Customer) Server(plan, name string) Server {
	c.h.t.Helper()
	s := c.Order(plan, name)
	c.h.AwaitStatus(s.ID, tenant.Active, time.Minute)
	return s
}

// AwaitStatus waits until a tenant has a status.
func (h *Hafen) AwaitStatus(id tenant.ID, want tenant.Status, atMost time.Duration) {
	h.t.Helper()
	h.Await(atMost, string(want), func() error {
		state := Query[string](h, `select status || ' ' || failure_code || ' ' || failure_detail from tenants where id = $1`, id)
		if !strings.HasPrefix(state, string(want)+" ") {
			return fmt.Errorf("the tenant is %s", state)
		}
		return nil
	})
}

// AddMember adds a member with Password and waits until it exists.
func (s Server) AddMember(localpart string) {
	h := s.Customer.h
	h.t.Helper()
	s.Customer.Post("/servers/"+string(s.ID)+"/members", url.Values{
		"localpart": {localpart}, "password_mode": {"own"}, "password": {Password},
	})
	h.Await(20*time.Second, "member "+localpart, func() error {
		if Query[int](h, `select count(*) from members where tenant_id = $1 and localpart = $2 and state = 'active'`, s.ID, localpart) == 0 {
			return fmt.Errorf("not active yet")
		}
		return nil
	})
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

// ChangePlan confirms another plan, as it was priced a moment before.
func (s Server) ChangePlan(plan string) {
	s.Customer.h.t.Helper()
	path := "/servers/" + string(s.ID) + "/plan/change"
	s.Customer.Post(path, Hidden(s.Customer.Get(path+"?plan="+url.QueryEscape(plan))))
}

// Hidden are the hidden fields of a page, as they are sent with its form.
func Hidden(page string) url.Values {
	form := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	return form
}

// BaseURL is where clients reach the server, found by well-known discovery as they find it.
func (s Server) BaseURL() string {
	h := s.Customer.h
	h.t.Helper()
	answer, err := h.HTTPClient().Get(fmt.Sprintf("https://%s:%d/.well-known/matrix/client", s.Name, h.HTTPS))
	if err != nil {
		h.t.Fatalf("discover %s: %v", s.Name, err)
	}
	defer answer.Body.Close()
	var found struct {
		Homeserver struct {
			BaseURL string `json:"base_url"`
		} `json:"m.homeserver"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil || found.Homeserver.BaseURL == "" {
		h.t.Fatalf("discover %s: %s %v", s.Name, answer.Status, err)
	}
	return found.Homeserver.BaseURL
}

// secureJar gives Secure cookies to *.localhost over plain HTTP too, as browsers do.
type secureJar struct{ jar http.CookieJar }

func (j secureJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.jar.SetCookies(secured(u), cookies)
}

func (j secureJar) Cookies(u *url.URL) []*http.Cookie { return j.jar.Cookies(secured(u)) }

func secured(u *url.URL) *url.URL {
	s := *u
	s.Scheme = "https"
	return &s
}
