// Package matrix holds the tests that use Hafen as the people it is for use it: with a Matrix client, mautrix-go, which
// does its own encryption. It is a module of its own because mautrix and the control plane's libraries need different
// versions of golang.org/x/exp. Build tag goolm: encryption in Go instead of C.
package matrix
