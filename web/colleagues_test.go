package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hafen/controlplane"
)

// invitation gives the secret of the newest invitation's mail.
func (w *world) invitation() string {
	w.Helper()
	return last[controlplane.ColleagueMail](w).Token
}

func TestColleagues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.account("anna@example.org", aCustomer)
	anna := w.as(owner)
	id := w.active(owner, "werft")
	server := "/servers/" + string(id)
	benAccount := w.account("ben@example.org", aCustomer)
	ben, cara := w.as(benAccount), w.as(w.account("cara@example.org", aCustomer))

	anna.post(server+"/colleagues", fields("email", "Ben@example.org", "role", "member_manager")).wantRedirect(server + "/colleagues")
	token := w.invitation()
	ben.get(server).want(http.StatusNotFound)
	link := "/colleague?token=" + token
	cara.get(link).want(http.StatusOK)
	cara.post("/colleague", fields("token", token)).want(http.StatusForbidden)
	if page := ben.get(link).want(http.StatusOK).doc(); page.Find(`form[action="/colleague"]`).Length() != 1 {
		t.Error("the invited person cannot accept")
	}
	ben.post("/colleague", fields("token", token)).wantRedirect(server)
	ben.post("/colleague", fields("token", token)).want(http.StatusUnprocessableEntity)
	ben.get(server).want(http.StatusOK)
	ben.get(server + "/colleagues").want(http.StatusForbidden)
	ben.post(server+"/settings", settingsForm()).want(http.StatusForbidden)

	path := server + "/colleagues/" + benAccount.ID
	anna.post(path+"/role", fields("role", "owner")).want(http.StatusUnprocessableEntity)
	anna.post(path+"/role", fields("role", "administrator")).wantRedirect(server + "/colleagues")
	ben.post(server+"/settings", settingsForm("federation", "off")).wantRedirect(server + "/settings")
	// What ben made and nobody has used is said before it ends, and has ended after.
	ben.post(server+"/members/invites", fields("display_name", "Gustav Groß", "days", "30")).want(http.StatusOK)
	if text := anna.get(server + "/colleagues").want(http.StatusOK).doc().Find(".menu-panel").Text(); !strings.Contains(text, "Gustav Groß") {
		t.Errorf("the confirmation says %q", text)
	}
	anna.post(path+"/remove", nil).wantRedirect(server + "/colleagues")
	if n := w.count(`select count(*) from invites where expires_at > now()`); n != 0 {
		t.Errorf("%d invites are open", n)
	}
	if list := anna.get(server + "/members/invites").want(http.StatusOK).doc().Find("#open-title").Closest("section").Text(); !strings.Contains(list, "Gustav Groß") {
		t.Errorf("nobody can renew it: %q", list)
	}
	ben.get(server).want(http.StatusNotFound)
	anna.post(path+"/remove", nil).want(http.StatusNotFound)
}

func TestColleagueMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.account("anna@example.org", aCustomer)
	anna := w.as(owner)
	id := w.active(owner, "werft")
	path := "/servers/" + string(id) + "/colleagues"
	ben := w.account("ben@example.org", aCustomer)
	w.exec(`insert into colleagues (tenant_id, account_id, role) values ($1, $2, $3)`, id, ben.ID, controlplane.Billing)
	for name, form := range map[string]url.Values{
		"no address": fields("email", "nobody", "role", "billing"),
		"no role":    fields("email", "x@example.org", "role", "owner"),
		"the owner":  fields("email", "ANNA@example.org", "role", "billing"),
		"known":      fields("email", "ben@example.org", "role", "billing"),
	} {
		if got := anna.post(path, form).want(http.StatusUnprocessableEntity); got.doc().Find(".problem").Length() == 0 {
			t.Errorf("%s: nothing says what is wrong", name)
		}
	}
	anna.post(path, fields("email", "cara@example.org", "role", "billing")).wantRedirect(path)
	first := w.invitation()
	anna.post(path, fields("email", "cara@example.org", "role", "read_only")).wantRedirect(path)
	second := w.invitation()
	cara := w.as(w.account("cara@example.org", aCustomer))
	cara.get("/colleague?token=" + first).want(http.StatusUnprocessableEntity) // replaced
	anna.post(path+"/withdraw", fields("email", "cara@example.org")).wantRedirect(path)
	cara.post("/colleague", fields("token", second)).want(http.StatusUnprocessableEntity)
	anna.post(path, fields("email", "cara@example.org", "role", "read_only")).wantRedirect(path)
	w.exec(`update colleague_invites set expires_at = now() - interval '1 second'`)
	cara.post("/colleague", fields("token", w.invitation())).want(http.StatusUnprocessableEntity)
	if n := w.count(`select count(*) from colleagues`); n != 1 {
		t.Errorf("%d colleagues", n)
	}
}
