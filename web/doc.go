// Package web is the dashboard: pages, forms and live fragments over the use cases of controlplane.
//
// A request passes, from outside in: the access log and panic guard, security headers, the host check, the limiter, the size
// limit, the cross-origin check, the session, the language; then the route's own access rule. All of it is derived from one
// route table (routes.go): a route states its method, path, access and nature beside its handler, and nothing else registers
// handlers. What is refused is refused the same way everywhere (failure.go), and the HTTP status of a fault is chosen in one
// file (status.go).
//
// The package keeps no state worth saving: sessions, attempts and links are rows; the coarse limiter and the count of open
// streams live in memory and may be lost. A page is rendered to a buffer before its first byte, so a crash or a template's
// error never leaves half a page. Live pages re-read rows after a hint and on a timer; hints may be lost.
//
// It is served behind the edge on a Unix socket. Forwarding headers are believed only there: a connection over TCP speaks for
// itself.
package web
