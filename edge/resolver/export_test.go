package resolver

// Bind lets the tests' upstreams find one port that is free for UDP and TCP.
var Bind = bind
