package web

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// begin is the outermost layer: it makes the request, catches panics, writes the access log and counts. No query is ever
// logged, for some hold a link's secret; nor is any header or form.
func (s *Server) begin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := &request{Context: c, id: newRequestID(), route: s.byPath[c.Request().Method+" "+c.Path()]}
		c.Set(requestKey, r)
		r.readConnection()
		r.chooseLocale()
		s.setHeaders(r)
		started := time.Now()
		defer func() { s.record(r, time.Since(started)) }()
		if err := s.caught(r, next); err != nil {
			s.fail(err, c)
		}
		return nil
	}
}

// caught turns a panic into an error. http.ErrAbortHandler goes on: it is how a handler drops a connection.
func (s *Server) caught(r *request, next echo.HandlerFunc) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if failure, ok := p.(error); ok && errors.Is(failure, http.ErrAbortHandler) {
			panic(p)
		}
		err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}()
	return next(r.Context)
}

func (s *Server) record(r *request, took time.Duration) {
	path := r.route.path
	if path == "" {
		path = "none" // not the path that was asked for: strangers choose it, and each would be a series of its own
	}
	status := r.Response().Status
	s.requests.WithLabelValues(r.method(), path, strconv.Itoa(status)).Inc()
	if !r.route.nature.has(stream) {
		s.seconds.WithLabelValues(path).Observe(took.Seconds())
	}
	level := slog.LevelInfo
	if r.route.nature.has(quiet) {
		level = slog.LevelDebug
	}
	attributes := []slog.Attr{
		slog.String("request", r.id), slog.String("method", r.method()), slog.String("path", r.Request().URL.Path),
		slog.Int("status", status), slog.Int64("bytes", r.Response().Size), slog.Duration("took", took), slog.String("address", r.address),
	}
	if r.session != nil {
		attributes = append(attributes, slog.String("account", r.session.Account.ID))
	}
	s.Log.LogAttrs(r.ctx(), level, "request", attributes...)
}

// method is the request's, of a closed set: a client may send any word.
func (r *request) method() string {
	switch m := r.Request().Method; m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	default:
		return "other"
	}
}

func newRequestID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	open     prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hafen_web_requests_total", Help: "Requests answered by the dashboard.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hafen_web_request_seconds", Help: "Time to answer a request of the dashboard, streams excepted.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10},
		}, []string{"route"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hafen_web_streams", Help: "Live pages connected now.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.open} {
		if err := registry.Register(c); err != nil {
			return m, fmt.Errorf("register metrics of web: %w", err)
		}
	}
	return m, nil
}
