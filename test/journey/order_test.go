package journey

import (
	"fmt"
	"slices"
	"strings"
)

func (c *walker) order() {
	c.follow(`header nav a[href="/order"]`)
	c.look("order-plan")
	c.follow(`main a[href="/order/name?plan=basic"]`)
	c.look("order-name")
	c.tabs("order-name")
	c.checksNames()
	c.choosesEngine()
	c.follow(`main form.choice button[type=submit]`)
	if !strings.HasPrefix(c.path(), "/order/confirm?") {
		c.fail("the name leads to %s", c.path())
	}
	c.reads(c.name + "." + c.w.Base)
	c.look("order-confirm")
	c.follow(`main form a[href^="/order/name?"]`)
	if got := evaluate[string](c.person, `document.querySelector('#name').value`); got != c.name {
		c.t.Errorf("one step back, the name is %q", got)
	}
	c.follow(`main form.choice button[type=submit]`)
	c.follow(`main form button[type=submit]`)
	c.reads(c.Error("terms.required", nil))
	c.look("order-terms-missing")
	c.click(`#terms`)
}

// checksNames types names; what is wrong with each is said beside it, without a click.
func (c *walker) checksNames() {
	for name, code := range map[string]string{"www": "name.reserved", "-kai": "name.label", "belegt": "name.taken", "käpten": "name.idn", "ab": "name.short"} {
		c.fill("#name", name)
		c.await("the answer to "+name, fmt.Sprintf(`document.querySelector('#name-check').innerText.includes(%s)`, quote(c.Error(code, nil))))
	}
	c.fill("#name", c.name)
	c.await("that the name is free", fmt.Sprintf(`document.querySelector('#name-check').innerText.includes(%s)`, quote(c.T("order.name.available", "Name", c.name+"."+c.w.Base))))
	c.fill("#localpart", "anna")
	c.look("order-name-free")
}

// watchesProvisioning: the page shows the steps as they happen, in one document, and goes on by itself.
func (c *walker) watchesProvisioning() {
	release := c.w.hold(c.t)
	c.follow(`main form button[type=submit]`)
	c.server = c.path()
	if !strings.HasPrefix(c.server, "/servers/") {
		c.fail("the order leads to %s", c.server)
	}
	c.gone(c.Coded("step", "remove_container", nil)) // nothing is old here
	c.look("provisioning")
	release()
	c.await("the server", `location.pathname.endsWith('/ready') && document.readyState === 'complete'`)
	c.calm("provisioning", c.server)
	c.mu.Lock()
	defer c.mu.Unlock()
	documents := 0
	for _, path := range c.loads {
		if path == c.server {
			documents++
		}
	}
	if documents != 1 {
		c.t.Errorf("%s: the page was loaded %d times", c.Code(), documents)
	}
	if bar := c.progress[c.server]; len(bar) < 3 || !slices.IsSorted(bar) {
		c.t.Errorf("%s: the bar showed %v", c.Code(), bar)
	}
}

// getsReady: the first administrator sets their password and logs in to Matrix.
func (c *walker) getsReady() {
	c.admin = "@anna:" + c.name + "." + c.w.Base
	c.url = c.text("#fact-url")
	if got := c.text("#fact-id"); got != c.admin {
		c.t.Errorf("the first administrator is %s", got)
	}
	for _, client := range []string{"Element", "FluffyChat", "Cinny", "SchildiChat"} {
		c.reads(client)
	}
	c.look("ready")
	c.follow(`form[action="` + c.server + `/admin-link"] button:not([name])`)
	c.reads(c.w.URL() + "/set-password?token=")
	c.look("ready-link")
	c.open(c.server + "/ready")
	c.follow(`form[action="` + c.server + `/admin-link"] button[name=go]`)
	c.reads(c.admin)
	c.look("set-password")
	c.fill("#password", "kurz")
	c.follow(`main button[type=submit]`)
	c.reads(c.Error("password.member_short", nil))
	c.look("set-password-refused")
	c.fill("#password", "Leuchtturm Neuwerk")
	c.follow(`main button[type=submit]`)
	c.reads(c.T("setpassword.done.title"))
	c.look("set-password-done")
	c.entersMatrix(c.admin, "Leuchtturm Neuwerk")
}
