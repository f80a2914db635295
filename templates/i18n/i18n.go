// Package i18n chooses words and formats numbers for German and English readers.
//
// The words are go-i18n message files, NAME.de.json and NAME.en.json, embedded.
// Both languages have the same keys, every key in the code exists and none is
// unused; a test enforces that. Keys that end in a code made elsewhere (an error
// code, a status, a step) belong to a family, listed in Families; an unknown
// code of a family falls back to a fixed sentence, so a page never shows a code
// where a person expects words.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the zone below, on machines without a zone database

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed *.json
var files embed.FS

// Languages are the languages the screens speak, the first is the default.
var Languages = []string{"de", "en"}

// Families are the prefixes of keys that end in a code made elsewhere, with the
// key used for an unknown code.
var Families = map[string]string{
	"error":             "error.internal",
	"failure":           "failure.unexpected",
	"http":              "http.500",
	"http.title":        "http.title.500",
	"status":            "status.unknown",
	"step":              "step.unknown",
	"condition":         "condition.unknown",
	"action":            "action.unknown",
	"flash":             "flash.done",
	"suspended":         "suspended.operator",
	"refusal":           "refusal.other",
	"subscription.tool": "subscription.tool.other",
	"mail.quota":        "mail.quota.storage.text",
	"notice.quota":      "notice.quota.storage",
	"record":            "record.other",
	"member.result":     "member.result.done",
	"members.pending":   "members.pending.other", "members.failed": "members.failed.other", "members.sort": "members.sort.name",
	"members.filter": "members.filter.all", "members.bulk": "members.bulk.other", "members.bulk.text": "members.bulk.text.other",
	"invitation.text": "invitation.text.unknown", "invitation.title": "invitation.title.unknown",
	"domain.purpose":   "domain.purpose.other",
	"payments.find":    "payments.find.differs",
	"rooms.sort":       "rooms.sort.name",
	"sale.field":       "sale.field.other",
	"sale.help":        "sale.help.other",
	"sale.state":       "sale.state.hidden",
	"sale.choice":      "sale.choice.other",
	"sale.misfit":      "sale.misfit.other",
	"settings.field":   "settings.field.other",
	"order.engine":     "order.engine",
	"role":             "role.unknown",
	"role.text":        "role.text.unknown",
	"engine.support":   "engine.support.current",
	"settings.outcome": "settings.outcome.running",

	// Bills.
	"bill.state":            "bill.state.other",
	"bill.note":             "bill.note.other",
	"bill.dispute":          "bill.dispute.other",
	"bill.dispute.text":     "bill.dispute.text.other",
	"operator.dispute.text": "operator.dispute.text.other",
	"owed.title":            "owed.title.other",
	"owed.text":             "owed.text.other",
	"billing.field":         "billing.field.other",
	"billing.help":          "billing.help.other",
	"dunning.stage":         "dunning.stage.other",
	"work":                  "work.other",
	"work.text":             "work.text.other",
	"country":               "country.other",

	// What changed in the way into an account, in mails to its owner.
	"security.subject": "security.subject.other",
	"security.text":    "security.text.other",
	"security.not_you": "security.not_you.other",
}

var bundle = load()

func load() *i18n.Bundle {
	b := i18n.NewBundle(language.German)
	b.RegisterUnmarshalFunc("json", json.Unmarshal)
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("i18n: list embedded message files: " + err.Error())
	}
	for _, e := range entries {
		data, err := files.ReadFile(e.Name())
		if err != nil {
			panic("i18n: read embedded message file: " + err.Error())
		}
		b.MustParseMessageFileBytes(data, e.Name())
	}
	return b
}

// Locale is one language with its formats and a time zone. It is immutable and
// safe for concurrent use.
type Locale struct {
	code      string
	localizer *i18n.Localizer
	zone      *time.Location
}

var (
	berlin = mustZone("Europe/Berlin")
	german = &Locale{code: "de", localizer: i18n.NewLocalizer(bundle, "de"), zone: berlin}
	// English readers of a German provider live in the same zone.
	english = &Locale{code: "en", localizer: i18n.NewLocalizer(bundle, "en"), zone: berlin}
)

func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic("i18n: load embedded time zone: " + err.Error())
	}
	return zone
}

// For is the locale of a language code; an unknown code gives the default, German.
func For(code string) *Locale {
	if code == "en" {
		return english
	}
	return german
}

var matcher = language.NewMatcher([]language.Tag{language.German, language.English})

// Match chooses the locale of a request: the language the visitor chose (a
// cookie's or an account's value, "" for none), else the best of Accept-Language.
// A reader of neither language gets English.
func Match(acceptLanguage, chosen string) *Locale {
	if chosen == "de" || chosen == "en" {
		return For(chosen)
	}
	if strings.TrimSpace(acceptLanguage) == "" {
		return german
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(tags) == 0 {
		return german
	}
	_, index, confidence := matcher.Match(tags...)
	if index == 0 && confidence != language.No {
		return german
	}
	return english
}

// Code is the language code, "de" or "en".
func (l *Locale) Code() string { return l.code }

// Other is the code of the language to switch to.
func (l *Locale) Other() string {
	if l.code == "de" {
		return "en"
	}
	return "de"
}

// In is the same language with another time zone.
func (l *Locale) In(zone *time.Location) *Locale {
	other := *l
	other.zone = zone
	return &other
}

// T is the text of key. Args are pairs of a blank's name and its value; numbers
// are written the language's way, and the number called "Count" chooses the
// plural form. A key that does not exist comes back in brackets: a test keeps
// that from happening.
func (l *Locale) T(key string, args ...any) string {
	text, err := l.localizer.Localize(l.config(key, args))
	// A message without plural forms is complete in spite of a count: go-i18n returns its text beside an error.
	if err != nil && text == "" {
		return "[" + key + "]"
	}
	return text
}

func (l *Locale) config(key string, args []any) *i18n.LocalizeConfig {
	config := &i18n.LocalizeConfig{MessageID: key}
	data := map[string]any{}
	for i := 0; i+1 < len(args); i += 2 {
		name := fmt.Sprint(args[i])
		if n, ok := number(args[i+1]); ok {
			if name == "Count" {
				config.PluralCount = n
			}
			data[name] = l.Number(n)
			continue
		}
		data[name] = args[i+1]
	}
	config.TemplateData = data
	return config
}

func number(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	default:
		return 0, false
	}
}

// Has reports whether key exists.
func (l *Locale) Has(key string) bool {
	text, err := l.localizer.Localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: 1, TemplateData: map[string]any{"Count": 1}})
	return err == nil || text != ""
}

// Coded is the text of a code in a family of Families; an unknown code gives
// the family's fixed text. Params fill the blanks and may be nil.
func (l *Locale) Coded(family, code string, params map[string]string) string {
	key := family + "." + code
	if code == "" || !l.Has(key) {
		key = Families[family]
	}
	args := make([]any, 0, 2*len(params))
	for name, value := range params {
		args = append(args, name, value)
	}
	return l.T(key, args...)
}

// Error is the sentence of a domain error code.
func (l *Locale) Error(code string, params map[string]string) string {
	return l.Coded("error", code, params)
}
