package edge

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what the edge does. No label takes a value from outside, and none names a tenant: a thousand tenants
// would make a thousand series of each.
type metrics struct {
	requests  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	routes    prometheus.Gauge
	confirmAt atomic.Int64 // Unix nanoseconds of the last successful Load; 0 before the first
}

func newMetrics(registry prometheus.Registerer, waiting func() float64, now func() time.Time) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hafen_edge_requests_total", Help: "Requests answered, by listener and class of status.",
		}, []string{"listener", "class"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hafen_edge_refusals_total", Help: "Requests and handshakes the edge refused itself, by reason.",
		}, []string{"reason"}),
		routes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hafen_edge_routes", Help: "Tenants the edge has a route for.",
		}),
	}
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hafen_edge_held_requests", Help: "Requests that wait for a homeserver to come up.",
	}, waiting)
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hafen_edge_snapshot_age_seconds", Help: "Time since the source last confirmed what is served; -1 before the first time.",
	}, func() float64 {
		if at := m.confirmAt.Load(); at != 0 {
			return now().Sub(time.Unix(0, at)).Seconds()
		}
		return -1
	})
	for _, collector := range []prometheus.Collector{m.requests, m.refusals, m.routes, held, age} {
		if err := registry.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) confirmed(now time.Time)   { m.confirmAt.Store(now.UnixNano()) }
func (m *metrics) served(routes int)         { m.routes.Set(float64(routes)) }
func (m *metrics) refused(reason string)     { m.refusals.WithLabelValues(reason).Inc() }
func (m *metrics) answered(on string, c int) { m.requests.WithLabelValues(on, class(c)).Inc() }

// class is "2xx" and so on; "none" when the request ended without an answer.
func class(status int) string {
	if status < 100 || status > 599 {
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}

// count wraps a handler so that each answer is counted, and ends when nobody reads it for as long as stall.
func (m *metrics) count(listener string, stall time.Duration, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &watchedWriter{ResponseWriter: w, control: http.NewResponseController(w), stall: stall}
		defer func() {
			watched.control.SetWriteDeadline(time.Now().Add(stall)) // for what net/http still has in its buffers
			m.answered(listener, watched.status)
		}()
		next(watched, r)
	})
}

// watchedWriter remembers the status and gives up on clients that stop reading: a connection over HTTP/1, a single request
// over HTTP/2, where a client that reads everything else can leave one answer without a window for ever.
type watchedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	timer   *time.Timer // setting a deadline for every piece would be two messages each to HTTP/2's loop
	status  int
}

// watch begins the time for one piece; unwatch ends it.
func (w *watchedWriter) watch() {
	if w.timer == nil {
		w.timer = time.AfterFunc(w.stall, func() { w.control.SetWriteDeadline(time.Unix(1, 0)) })
		return
	}
	w.timer.Reset(w.stall)
}

func (w *watchedWriter) unwatch() { w.timer.Stop() }

// Unwrap lets http.ResponseController reach the connection.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watchedWriter) WriteHeader(status int) {
	if status >= 200 && w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.watch()
	defer w.unwatch()
	return w.ResponseWriter.Write(p)
}

// FlushError is what http.ResponseController calls to flush. Small pieces wait for the client here, not in Write.
func (w *watchedWriter) FlushError() error {
	w.watch()
	defer w.unwatch()
	return w.control.Flush()
}
