// Package journey walks Hafen as people do: in a real browser, from the front page to a Matrix server of one's own and on to
// the dashboard, in German and in English; and as the operator who looks after it all.
//
// Every page on the way is looked at as its readers see it: light and dark, on a desk and on a phone, by axe-core and by
// eyes of our own (console, content security policy, headings, sideways scrolling, content that jumps). A picture of each
// lands in screenshots/, or in the folder HAFEN_SCREENSHOTS names.
//
// testdata/axe.min.js is axe-core 4.14.1 by Deque Systems, unchanged, under the licence beside it.
package journey
