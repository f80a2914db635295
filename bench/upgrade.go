package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"hafen/internal/hafentest"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

// measureUpgrade has customers move up to a larger plan through Stripe, whose bank wants to see them first: so the change waits for
// its money, and begins when the webhook says that it has come. From the payment on a member's client asks how large an upload may
// be, and the customer tries to take one more seat than there were. Nothing is restarted.
//
// Its servers run Synapse: Dendrite answers nobody who asks as often as this client does.
//
// The floors: a row that is committed until the edge goes by it, and a member added while a seat is free until they have logged in.
func measureUpgrade(b *bed, e extent, r *report) {
	if e.upgrades == 0 {
		return
	}
	u := newUpgrades(b)
	var granted, row, seated, member []float64
	for i := range e.upgrades {
		s := u.order(b, fmt.Sprintf("upgrade%d", i))
		for _, name := range []string{"bert", "carla", "doris"} { // with the first administrator and one more, all five seats
			s.AddMember(name)
		}
		member = append(member, u.add(b, s, "emil"))
		before := output(b.ctx, "docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", s.ID.Container())
		g, m := u.upgrade(b, s)
		granted, seated = append(granted, g), append(seated, m)
		if after := output(b.ctx, "docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", s.ID.Container()); after != before || before == "" {
			b.Fatalf("the container was %q and is %q", before, after)
		}
		row = append(row, u.floor(b, s))
		tell("upgrade %d of %d: in effect after %.3f s, one more member after %.3f s", i+1, e.upgrades, g, m)
	}
	r.sample("upgrade: paid to the edge taking larger uploads", "s", granted, row)
	r.sample("upgrade: paid to one more member logged in", "s", seated, member)
}

// upgrades is an installation whose customers pay through Stripe.
type upgrades struct {
	*hafentest.Hafen
	stripe   *stripefake.Server
	customer *hafentest.Customer
	page     *browser
	client   *http.Client
	tokens   map[tenant.ID]string
}

func newUpgrades(b *bed) *upgrades {
	secrets, err := os.MkdirTemp("", "hafen-upgrade")
	b.must("make a directory", err)
	b.Cleanup(func() { os.RemoveAll(secrets) })
	fake := stripefake.New(b, time.Now())
	key, secret := filepath.Join(secrets, "key"), filepath.Join(secrets, "webhook")
	h := hafentest.New(b, hafentest.Env("HAFEN_BILLING=stripe", "HAFEN_STRIPE_URL="+fake.URL, "HAFEN_STRIPE_KEY_FILE="+key,
		"HAFEN_STRIPE_WEBHOOK_SECRET_FILES="+secret))
	b.must("write the key", os.WriteFile(key, []byte(fake.Key), 0o600))
	b.must("write the webhook's secret", os.WriteFile(secret, []byte(fake.Endpoint(h.URL()+"/webhooks/stripe")), 0o600))
	h.Start("up")
	h.AwaitFrontPage()
	fake.Client = h.HTTPClient()
	u := &upgrades{Hafen: h, stripe: fake, customer: h.NewCustomer("upgrade@example.org"), client: h.HTTPClient(), tokens: map[tenant.ID]string{}}
	u.page = newBrowser(b, h, u.customer)
	return u
}

// tick has Stripe's clock go as ours does.
func (u *upgrades) tick() {
	if late := time.Since(u.stripe.Now()); late > 0 {
		u.stripe.Advance(late)
	}
	u.stripe.Flush()
}

// order orders a server and pays it; a member of it has a client.
func (u *upgrades) order(b *bed, name string) hafentest.Server {
	u.tick()
	u.page.submit("/order", url.Values{
		"plan": {"basic"}, "kind": {"subdomain"}, "engine": {"synapse"}, "name": {name}, "localpart": {"admin"}, "terms": {"yes"},
	})
	sessions := u.stripe.List("checkout.session")
	if paid := u.stripe.Pay(sessions[len(sessions)-1]["id"].(string), stripefake.GoodCard, false); !paid.Paid {
		b.Fatalf("pay the order: %s", paid.Reason)
	}
	u.stripe.Flush()
	id := hafentest.Query[string](u.Hafen, `select id from tenants where server_name = $1`, name+"."+u.Base)
	s := hafentest.Server{ID: tenant.ID(id), Name: name + "." + u.Base, Customer: u.customer}
	u.AwaitStatus(s.ID, tenant.Active, time.Minute)
	return s
}

// add adds a member and gives the seconds until they have logged in.
func (u *upgrades) add(b *bed, s hafentest.Server, name string) float64 {
	watch := newStopwatch()
	base := s.BaseURL()
	if !u.addMember(b, s, name) {
		b.Fatalf("there is no seat for %s", name)
	}
	u.tokens[s.ID] = u.logIn(b, s, base, name)
	return watch.seconds()
}

// addMember reports whether there was a seat.
func (u *upgrades) addMember(b *bed, s hafentest.Server, name string) bool {
	answer := u.page.send(http.MethodPost, "/servers/"+string(s.ID)+"/members", url.Values{
		"localpart": {name}, "password_mode": {"own"}, "password": {hafentest.Password},
	})
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	b.must("read the page of members", err)
	switch answer.StatusCode {
	case http.StatusOK, http.StatusSeeOther:
		return true
	case http.StatusUnprocessableEntity:
		return false
	}
	b.Fatalf("add a member: %s: %s", answer.Status, body)
	return false
}

// logIn waits until Hafen says that the account is there, and logs in: a homeserver lets nobody try again and again.
func (u *upgrades) logIn(b *bed, s hafentest.Server, base, name string) (token string) {
	for deadline := time.Now().Add(time.Minute); ; pause(b, 5*time.Millisecond) {
		if hafentest.Query[bool](u.Hafen, `select exists (select from members where tenant_id = $1 and localpart = $2 and state = 'active')`, s.ID, name) {
			break
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s has no account", name)
		}
	}
	var session struct {
		Token string `json:"access_token"`
	}
	if status := u.ask(b, http.MethodPost, base+"/_matrix/client/v3/login", "", map[string]any{
		"type": "m.login.password", "password": hafentest.Password, "identifier": map[string]string{"type": "m.id.user", "user": name},
	}, &session); status != http.StatusOK {
		b.Fatalf("%s logs in: %d", name, status)
	}
	return session.Token
}

func (u *upgrades) ask(b *bed, method, address, token string, question, answer any) (status int) {
	content, err := json.Marshal(question)
	b.must("encode a request", err)
	request, err := http.NewRequestWithContext(b.ctx, method, address, bytes.NewReader(content))
	b.must("make a request", err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := u.client.Do(request)
	b.must(method+" "+address, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	b.must("read "+address, err)
	if response.StatusCode == http.StatusOK {
		b.must("decode "+address, json.Unmarshal(body, answer))
	}
	return response.StatusCode
}

// largestUpload is how large an upload may be, as the edge tells members' clients.
func (u *upgrades) largestUpload(b *bed, base, token string) int64 {
	var limits struct {
		Bytes int64 `json:"m.upload.size"`
	}
	if status := u.ask(b, http.MethodGet, base+"/_matrix/client/v1/media/config", token, nil, &limits); status != http.StatusOK {
		b.Fatalf("ask how large an upload may be: %d", status)
	}
	return limits.Bytes
}

// upgrade gives the seconds from the payment until larger uploads are taken, and until one more member has logged in.
func (u *upgrades) upgrade(b *bed, s hafentest.Server) (granted, seated float64) {
	base, token := s.BaseURL(), u.tokens[s.ID]
	u.tick()
	u.stripe.SetCard(u.stripe.List("customer")[0]["id"].(string), stripefake.SCACard)
	s.ChangePlan("advanced")
	u.tick()
	before := u.largestUpload(b, base, token)
	if u.addMember(b, s, "fiete") || u.upload(b, base, token, before+1) != http.StatusRequestEntityTooLarge {
		b.Fatalf("there is more before it is paid")
	}
	bills := u.stripe.List("invoice")
	bill := bills[len(bills)-1]["id"].(string)

	watch := newStopwatch()
	if !u.stripe.PayInvoice(bill) {
		b.Fatalf("the upgrade was not paid")
	}
	told := make(chan int, 1)
	go func() { told <- u.stripe.Flush() }() // Stripe tells of it beside
	// Each waits for itself; what one of them asks does not hold up the other.
	failed := make(chan error, 1)
	go func() { failed <- try(b.ctx, func(b *bed) { granted = u.awaitLarger(b, base, token, before, watch) }) }()
	for ; !u.addMember(b, s, "fiete"); pause(b, 5*time.Millisecond) {
		if watch.seconds() > 60 {
			b.Fatalf("there is no seat more")
		}
	}
	u.logIn(b, s, base, "fiete")
	seated = watch.seconds()
	err := <-failed
	if <-told == 0 {
		b.Fatalf("nobody took the webhooks")
	}
	b.must("await larger uploads", err)
	if status := u.upload(b, base, token, before+1); status != http.StatusOK {
		b.Fatalf("an upload that was refused before is answered %d", status)
	}
	return granted, seated
}

func (u *upgrades) awaitLarger(b *bed, base, token string, before int64, watch stopwatch) float64 {
	for u.largestUpload(b, base, token) <= before {
		if watch.seconds() > 60 {
			b.Fatalf("an upload may still have %d bytes", before)
		}
	}
	return watch.seconds()
}

// upload gives the answer to an upload of so many bytes.
func (u *upgrades) upload(b *bed, base, token string, size int64) int {
	request, err := http.NewRequestWithContext(b.ctx, http.MethodPost, base+upload, io.LimitReader(nothing{}, size))
	b.must("make a request", err)
	request.ContentLength = size
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Expect", "100-continue") // a refusal comes before the bytes go
	answer, err := u.client.Do(request)
	b.must("upload", err)
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	b.must("read an upload's answer", err)
	return answer.StatusCode
}

// floor is how long a committed row takes to the edge.
func (u *upgrades) floor(b *bed, s hafentest.Server) float64 {
	base, token := s.BaseURL(), u.tokens[s.ID]
	before := u.largestUpload(b, base, token)
	watch := newStopwatch()
	u.Exec(`update routes set upload_bytes = upload_bytes + 1 where tenant_id = $1`, s.ID)
	return u.awaitLarger(b, base, token, before, watch)
}
