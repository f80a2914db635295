package edge

// AdminSpellings lets the tests over the wire use the list of the fuzz test.
var AdminSpellings = adminSpellings
