// Package edge is the one door from the internet to every tenant: it ends TLS, decides which paths pass, keeps quotas
// for uploads, answers discovery and certificate challenges itself, and forwards the rest, byte for byte, to the
// tenant's own socket.
//
// It knows of a tenant a [tenant.Route], a certificate and the last measurement of its storage, and nothing else. These
// come from a [Source] and are kept in memory as one immutable index that is replaced whole. The last good state also
// lies on disk, sealed, so that tenants stay reachable while the source is away, also after a restart.
//
// Invariants:
//
//   - Default deny. A path passes only if [readTarget] can show that every reading of it stays below an allowed prefix;
//     what is forwarded is then the untouched request target, because federation signatures cover it.
//   - A name is served on a connection only if that connection's TLS handshake was for that name.
//   - A stranger cannot cause a query: names and certificates come from memory, challenges are limited and well-formed.
//   - No client holds more than a share of the connections and requests all of them may have, nor holds either for long
//     without reading or sending.
//   - The bytes of accepted uploads, those under way included, never exceed what a tenant's quota left at the last
//     measurement.
//
// A crash leaves the copy on disk whole (it is replaced by rename) and forgets the uploads accepted since the last
// measurement, at most a few minutes' worth; the next measurement finds them.
package edge
