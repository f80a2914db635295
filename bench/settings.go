package main

import (
	"net/http"
	"net/url"
	"time"

	"hafen/internal/hafentest"
	"hafen/tenant/homeserver"
)

// measureSettings changes a setting that needs a restart, again and again, while a client asks without a pause: how long it
// went without an answer, and how long its slowest answer took, which the edge held back meanwhile.
func measureSettings(b *bed, h *hafentest.Hafen, engine homeserver.Engine, n int, r *report) {
	if n == 0 {
		return
	}
	name := string(engine.Describe().Name)
	customer := h.NewCustomer("settings-" + name + "@example.org")
	customer.Engine = engine.Describe().Name
	server := customer.Server("advanced", "settings-"+name)
	var silent, refused []float64
	for i := range n {
		mode := []string{"off", "open"}[i%2]
		watched := make(chan gap)
		stop := make(chan struct{})
		go func() { watched <- watch(b, h, server, stop) }()
		customer.Post("/servers/"+string(server.ID)+"/settings", url.Values{"federation": {mode}, "push": {"yes"}, "encryption": {"yes"}, "language": {"en"}})
		awaitSettled(b, h, server)
		close(stop)
		seen := <-watched
		silent, refused = append(silent, seen.longest), append(refused, float64(seen.refused))
		tell("%s: change %d of %d: %.2f s without an answer, %d refused", name, i+1, n, seen.longest, seen.refused)
	}
	r.sample(name+": settings with a restart: without an answer", "s", silent, nil)
	r.sample(name+": settings with a restart: requests refused", "requests", refused, nil)
	r.sample(name+": settings with a restart: away, as the dashboard says", "s", hafentest.Query[[]float64](h,
		`select array_agg(away_ms / 1000.0::float8) from settings_changes where tenant_id = $1 and outcome = 'applied' and away_ms is not null`, server.ID), nil)
}

func awaitSettled(b *bed, h *hafentest.Hafen, s hafentest.Server) {
	for deadline := time.Now().Add(2 * time.Minute); ; pause(b, 50*time.Millisecond) {
		if hafentest.Query[int](h, `select count(*)::int from settings_changes where tenant_id = $1 and finished_at is null`, s.ID) == 0 {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("the settings of %s are not in place", s.ID)
		}
	}
}

// gap is the longest time between two good answers, in seconds, and how many were none.
type gap struct {
	longest float64
	refused int
}

func watch(b *bed, h *hafentest.Hafen, s hafentest.Server, stop <-chan struct{}) (seen gap) {
	client := h.HTTPClient()
	last := newStopwatch()
	for {
		select {
		case <-stop:
			return seen
		case <-time.After(10 * time.Millisecond):
		}
		request, err := http.NewRequestWithContext(b.ctx, http.MethodGet, s.BaseURL()+"/_matrix/client/versions", nil)
		if err != nil {
			return seen
		}
		answer, err := client.Do(request)
		if err == nil {
			answer.Body.Close()
		}
		if err != nil || answer.StatusCode != http.StatusOK {
			seen.refused++
			continue
		}
		seen.longest = max(seen.longest, last.seconds())
		last = newStopwatch()
	}
}
