package journey

// light reports whether this walker's server runs on the light engine: one language on each.
func (c *walker) light() bool { return c.Code() == "en" }

// choosesEngine takes the engine of this walk; Synapse is what one gets without choosing.
func (c *walker) choosesEngine() {
	if !evaluate[bool](c.person, `document.querySelector('#engine-synapse').checked`) {
		c.t.Error("Synapse is not what one gets without choosing")
	}
	if c.light() {
		c.click(`label[for=engine-dendrite]`)
	}
}

func (c *walker) part(name string) { c.follow(`main nav a[href="` + c.server + "/" + name + `"]`) }

// setsServer: a setting that restarts the server, one that is wrong, and what each part of the dashboard shows of a server in use.
func (c *walker) setsServer() {
	c.open(c.server)
	c.part("settings")
	c.look("settings")
	c.fill("#name", "Werft am See")
	c.fill("#support_email", "niemand")
	c.follow(`form[action$="/settings"] button[type=submit]`)
	c.reads(c.Error("settings.email", nil))
	c.look("settings-refused")
	c.fill("#support_email", "hilfe@werft.example")
	c.click(`#push`)
	c.follow(`form[action$="/settings"] button[type=submit]`)
	c.reads(c.T("flash.settings_saved"))
	c.await("the settings to be in place", `document.querySelector('#settings-state .tone-good') !== null`)
	c.look("settings-applied")
	c.entersMatrix(c.admin, "Leuchtturm Neuwerk")

	c.part("rooms")
	c.look("rooms")
	c.part("media")
	c.look("media")
	c.part("notices")
	c.look("notices")

	c.part("colleagues")
	c.proves()
	c.look("colleagues")
	c.fill("#email", "kollegin."+c.Code()+"@example.org")
	c.follow(`form[action$="/colleagues"] button[type=submit]`)
	c.reads(c.T("flash.colleague_invited"))
	c.look("colleagues-invited")
}
