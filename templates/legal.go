package templates

// Kinds of legal pages.
const (
	LegalTerms   = "terms"
	LegalPrivacy = "privacy"
	LegalImprint = "imprint"
)

// Legal is /terms, /privacy or /imprint. The texts are the operator's own: Text
// holds plain paragraphs; without any, the page says that the operator has to provide them.
type Legal struct {
	Kind string
	Text []string
}

func legalTitle(l Locale, kind string) string {
	switch kind {
	case LegalPrivacy:
		return l.T("legal.privacy.title")
	case LegalImprint:
		return l.T("legal.imprint.title")
	default:
		return l.T("legal.terms.title")
	}
}
