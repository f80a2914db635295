package controlplane

import (
	_ "embed"
	"math"
	"strings"
	"sync"
	"unicode/utf8"

	"hafen/tenant"
)

// Bounds of a password, in characters. NIST SP 800-63B section 3.1.1.2: long beats complicated, no rules of composition,
// and a list of what is guessed first.
const (
	passwordShortest = 12
	passwordLongest  = 200
)

// guessable is how many bits a password must cost somebody who guesses the way people make passwords. Two to the thirty is
// what a hundred guesses an hour (the limit of an account) need more than a thousand years for; random letters of the shortest
// length have 56.
const guessable = 30

// checkPassword refuses passwords that are guessed soon. Faults: password.short, password.long, password.common,
// password.contains_email.
func checkPassword(password, email string) error {
	refuse := func(code string) error {
		return &tenant.Fault{Kind: tenant.Invalid, Code: code, Field: "password"}
	}
	password = normalPassword(password)
	length := utf8.RuneCountInString(password)
	switch {
	case length < passwordShortest:
		return refuse("password.short")
	case length > passwordLongest:
		return refuse("password.long")
	case guessBits(password, nil) < guessable:
		return refuse("password.common")
	case guessBits(password, partsOfEmail(email)) < guessable:
		return refuse("password.contains_email")
	}
	return nil
}

//go:embed password_words.txt
var wordList string

// words are the entries of the list, folded; wordBits is what choosing one of them costs.
var words = sync.OnceValue(func() (w struct {
	set     map[string]bool
	longest int
	bits    float64
},
) {
	w.set = make(map[string]bool)
	for line := range strings.Lines(wordList) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			w.set[word] = true
			w.longest = max(w.longest, len(word))
		}
	}
	w.bits = math.Log2(float64(len(w.set)))
	return w
})

// partsOfEmail are words that only this account's passwords should be compared with.
func partsOfEmail(email string) []string {
	local, domain, _ := strings.Cut(fold(email), "@")
	name, _, _ := strings.Cut(domain, ".")
	parts := strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune(".-_+", r) })
	var long []string
	for _, part := range append(parts, local, name, local+"@"+domain) {
		if utf8.RuneCountInString(part) >= 3 {
			long = append(long, part)
		}
	}
	return long
}

// fold makes spellings alike that a guesser tries together.
func fold(s string) string {
	return strings.NewReplacer("ä", "a", "ö", "o", "ü", "u", "ß", "ss").Replace(strings.ToLower(s))
}

// unleet turns digits and signs back into the letters they stand for.
func unleet(r rune, one rune) rune {
	switch r {
	case '0':
		return 'o'
	case '1', '!', '|':
		return one // l and i are both common
	case '3', '€':
		return 'e'
	case '4', '@':
		return 'a'
	case '5', '$':
		return 's'
	case '7', '+':
		return 't'
	case '8':
		return 'b'
	}
	return r
}

// walks are the ways fingers go over a keyboard, German and English, and the sequences everybody knows.
var walks = func() []string {
	forward := []string{
		"abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertzuiopu+", "qwertyuiop[]", "azertyuiop", "asdfghjkloa#",
		"asdfghjkl;'", "yxcvbnm,.-", "zxcvbnm,./", "1qay2wsx3edc4rfv5tgb6zhn7ujm8ik,9ol.0po-", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
		"qaywsxedcrfvtgbzhnujmikolp", "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6z7u8i9o0p", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5z6u7i8o9p0",
		"q1w2e3r4t5y6u7i8o9p0", "a1b2c3d4e5f6g7h8i9j0", "1a2b3c4d5e6f7g8h9i0j", "!\"§$%&/()=", "!@#$%^&*()", "1357924680", "147258369",
		"159753",
	}
	both := forward
	for _, walk := range forward {
		both = append(both, reverse(walk))
	}
	return both
}()

func reverse(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

// What the other ways to go on cost, in bits.
const (
	walkBits   = 6   // one of the walks, a start and a length
	repeatBits = 1.5 // once more what came just before
	yearBits   = 7
	dayBits    = 8.5 // day and month
	digitBits  = 3.3
	letterBits = 4.7
	joinBits   = 2 // blanks and the usual signs between words
	signBits   = 5
	backBits   = 1 // a word backwards, or with digits for letters
)

// guessBits is what the cheapest way to put a password together from words, walks, repetitions, dates and single characters
// costs: best[i] for the first i characters.
func guessBits(password string, own []string) float64 {
	s := []rune(fold(password))
	best := make([]float64, len(s)+1)
	for i := 1; i <= len(s); i++ {
		best[i] = math.Inf(1)
	}
	for i := range s {
		reach := func(end int, bits float64) { best[end] = min(best[end], best[i]+bits) }
		reach(i+1, characterBits(s[i]))
		reachWords(s, i, own, reach)
		reachWalks(s, i, reach)
		reachDates(s, i, reach)
		for n := 1; n <= min(i, 40) && i+n <= len(s); n++ {
			if string(s[i:i+n]) == string(s[i-n:i]) {
				reach(i+n, repeatBits)
			}
		}
	}
	return best[len(s)]
}

func characterBits(r rune) float64 {
	switch {
	case r >= '0' && r <= '9':
		return digitBits
	case strings.ContainsRune(" -_.,!?", r):
		return joinBits
	case r >= 'a' && r <= 'z' || r > 127:
		return letterBits
	}
	return signBits
}

func reachWords(s []rune, i int, own []string, reach func(end int, bits float64)) {
	list := words()
	for end := i + 3; end <= len(s) && end-i <= list.longest; end++ {
		plain := string(s[i:end])
		if list.set[plain] {
			reach(end, list.bits)
		}
		for _, spelling := range [...]string{reverse(plain), unleeted(s[i:end], 'i'), unleeted(s[i:end], 'l')} {
			if spelling != plain && list.set[spelling] {
				reach(end, list.bits+backBits)
			}
		}
	}
	for _, word := range own {
		end := i + utf8.RuneCountInString(word)
		if end > len(s) {
			continue
		}
		if plain := string(s[i:end]); plain == word || reverse(plain) == word || unleeted(s[i:end], 'i') == word || unleeted(s[i:end], 'l') == word {
			reach(end, backBits)
		}
	}
}

func unleeted(s []rune, one rune) string {
	return strings.Map(func(r rune) rune { return unleet(r, one) }, string(s))
}

func reachWalks(s []rune, i int, reach func(end int, bits float64)) {
	for end := i + 3; end <= len(s); end++ {
		if !onAWalk(string(s[i:end])) {
			return
		}
		reach(end, walkBits)
	}
}

func onAWalk(s string) bool {
	for _, walk := range walks {
		if strings.Contains(walk, s) {
			return true
		}
	}
	return false
}

func reachDates(s []rune, i int, reach func(end int, bits float64)) {
	number := func(from, to int) int {
		n := 0
		for _, r := range s[from:to] {
			if r < '0' || r > '9' {
				return -1
			}
			n = n*10 + int(r-'0')
		}
		return n
	}
	if i+4 > len(s) {
		return
	}
	if year := number(i, i+4); year >= 1900 && year < 2050 {
		reach(i+4, yearBits)
	}
	first, second := number(i, i+2), number(i+2, i+4)
	if first >= 1 && second >= 1 && (first <= 31 && second <= 12 || first <= 12 && second <= 31) {
		reach(i+4, dayBits)
	}
}
