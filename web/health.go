package web

import (
	"net/http"

	"hafen/web/assets"
)

// health says that this process answers, and nothing else: it asks no database, so a dashboard without one is not restarted
// for it, and a stranger who finds the address learns nothing.
func (s *Server) health(r *request) error {
	return r.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// assets are the same for everybody and change their address when they change.
func (s *Server) assets(r *request) error {
	h := r.Response().Header()
	h.Del("Cache-Control")
	h.Del("Vary")
	assets.Handler().ServeHTTP(r.Response(), r.Request())
	if r.Response().Status == http.StatusNotFound {
		h.Set("Cache-Control", "no-store")
	}
	return nil
}
