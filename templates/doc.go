// Package templates holds every page, fragment and mail of Hafen as templ
// components with typed view models. It imports nothing of ours: handlers turn
// what they know into the plain values declared here, and the same values,
// made up, feed the gallery.
//
// Conventions:
//   - A page is `XPage(p Page, vm X)`: the whole document, rendered with status
//     200 or 422. A fragment is `X(l Locale, vm)`: what htmx or a server-sent
//     event puts in place of the part it was rendered in.
//   - Codes, not words, come in: a domain error code becomes the sentence
//     `error.<code>`, a status `status.<name>`, a condition
//     `condition.<kind>.<code>`, a step `step.<name>`, an audit action or
//     event `action.<name>`, what the loop failed at `failure.<code>`. An unknown code shows a fixed
//     sentence, never the code alone.
//   - Forms are plain POST forms (see Form); each works without JavaScript.
//     Passwords are never written back into a form.
//   - No inline script and no inline style: the pages live under a strict CSP.
//
// The addresses the pages link and post to are listed in routes.md beside this
// file; the route table of package web serves them.
package templates
