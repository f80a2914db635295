package hafentest

import "net/http"

// Client is the customer's browser, logged in: for whoever needs an answer as it came, or measures its time.
func (c *Customer) Client() *http.Client { return c.client }
