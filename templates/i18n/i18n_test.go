package i18n

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// messages reads all words of a language, flat: plural messages as "key.one".
func messages(t *testing.T, language string) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*." + language + ".json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no message files for %s: %v", language, err)
	}
	all := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file map[string]any
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for key, value := range file {
			if _, twice := all[key]; twice {
				t.Errorf("%s: key %s stands in two files", name, key)
			}
			switch v := value.(type) {
			case string:
				all[key] = v
			case map[string]any:
				all[key] = v["one"].(string) + "\x00" + v["other"].(string)
			}
		}
	}
	return all
}

var blank = regexp.MustCompile(`{{\.[A-Za-z]+}}`)

func blanks(text string) []string {
	found := blank.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	de, en := messages(t, "de"), messages(t, "en")
	for _, key := range slices.Sorted(maps.Keys(de)) {
		other, ok := en[key]
		if !ok {
			t.Errorf("%s is missing in English", key)
			continue
		}
		if !slices.Equal(blanks(de[key]), blanks(other)) {
			t.Errorf("%s has other blanks: %v in German, %v in English", key, blanks(de[key]), blanks(other))
		}
		if strings.Contains(de[key], "\x00") != strings.Contains(other, "\x00") {
			t.Errorf("%s has plural forms in one language only", key)
		}
		if de[key] == "" || other == "" {
			t.Errorf("%s is empty", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(en)) {
		if _, ok := de[key]; !ok {
			t.Errorf("%s is missing in German", key)
		}
	}
}

// usedKeys finds the keys written in the sources: T("key"), and the families a Coded call opens.
func usedKeys(t *testing.T) (keys map[string]bool, families map[string]bool) {
	t.Helper()
	keys, families = map[string]bool{}, map[string]bool{}
	direct := regexp.MustCompile(`\.T\(\s*"([a-z0-9_.]+)"`)
	coded := regexp.MustCompile(`\.Coded\(\s*"([a-z0-9_.]+)"`)
	for _, pattern := range []string{"../*.templ", "../*.go", "*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no sources for %s: %v", pattern, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_templ.go") || strings.HasSuffix(name, "_test.go") {
				continue
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range direct.FindAllStringSubmatch(string(data), -1) {
				keys[found[1]] = true
			}
			for _, found := range coded.FindAllStringSubmatch(string(data), -1) {
				families[found[1]] = true
			}
		}
	}
	return keys, families
}

func TestEveryKeyExistsAndNoneIsDead(t *testing.T) {
	t.Parallel()
	have := messages(t, "de")
	used, opened := usedKeys(t)
	for key := range used {
		if _, ok := have[key]; !ok {
			t.Errorf("the sources use %s, which has no words", key)
		}
	}
	for family := range opened {
		fallback, known := Families[family]
		if !known {
			t.Errorf("the sources use the family %s, which Families does not list", family)
		}
		if _, ok := have[fallback]; !ok {
			t.Errorf("family %s falls back to %s, which has no words", family, fallback)
		}
	}
	for family := range Families {
		if !opened[family] {
			t.Errorf("no source uses the family %s", family)
		}
	}
	for key := range have {
		if !used[key] && !inFamily(key) {
			t.Errorf("%s is used nowhere", key)
		}
	}
}

func inFamily(key string) bool {
	for family, fallback := range Families {
		if strings.HasPrefix(key, family+".") || key == fallback {
			return true
		}
	}
	return false
}

// Every family ends up with words, in both languages, whatever the code.
func TestUnknownCodesHaveWords(t *testing.T) {
	t.Parallel()
	for family := range Families {
		for _, language := range Languages {
			for _, code := range []string{"", "no.such.code"} {
				if words := For(language).Coded(family, code, nil); strings.HasPrefix(words, "[") || words == "" {
					t.Errorf("%s: %s.%q gives %q", language, family, code, words)
				}
			}
		}
	}
}

func TestCodedFillsBlanks(t *testing.T) {
	t.Parallel()
	got := For("en").Coded("member.result", "create", map[string]string{"ID": "@a:b.c"})
	if got != "The account @a:b.c has been created." {
		t.Errorf("got %q", got)
	}
}

func TestPlurals(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]string{1: "1 Platz ist noch frei.", 2: "2 Plätze sind noch frei.", 0: "0 Plätze sind noch frei."} {
		if got := For("de").T("usage.seats.free", "Count", count); got != want {
			t.Errorf("%d: %q, want %q", count, got, want)
		}
	}
}

func TestMissingKeyShowsItself(t *testing.T) {
	t.Parallel()
	if got := For("de").T("no.such.key"); got != "[no.such.key]" {
		t.Errorf("got %q", got)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ accept, chosen, want string }{
		{"", "", "de"},
		{"de-AT,de;q=0.9,en;q=0.5", "", "de"},
		{"en-GB,en;q=0.9", "", "en"},
		{"fr-FR,fr;q=0.9", "", "en"},
		{"fr-FR,de;q=0.5", "", "de"},
		{"de", "en", "en"},
		{"en", "de", "de"},
		{"en", "xx", "en"},
		{"%%%", "", "de"},
	} {
		if got := Match(c.accept, c.chosen).Code(); got != c.want {
			t.Errorf("Match(%q, %q) = %s, want %s", c.accept, c.chosen, got, c.want)
		}
	}
}
