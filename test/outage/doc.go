// Package outage proves what Hafen does when something it needs is away, full or refused, and that it goes on by itself when
// that is mended. Everything is real: the program, PostgreSQL, Docker, an ACME authority, DNS and SMTP; only the ways to
// break them are the tests' own.
package outage
