package templates

import (
	"context"
	"fmt"
	"strings"
)

// letter is what a mail says, before it becomes text and HTML. All our mails
// have one shape: lines, facts, a line that leads to one button, lines after it.
type letter struct {
	Subject string
	Lines   []string
	Facts   []mailFact
	Lead    string
	Button  string
	URL     string
	After   []string
}

type mailFact struct{ Label, Value string }

func (m letter) mail(l Locale) (Mail, error) {
	var html strings.Builder
	if err := mailHTML(l, m).Render(context.Background(), &html); err != nil {
		return Mail{}, fmt.Errorf("render mail %q: %w", m.Subject, err)
	}
	return Mail{Subject: m.Subject, Text: m.text(l), HTML: html.String()}, nil
}

// text is the mail for readers of plain text. Addresses stand on a line of their own, so no program breaks them.
func (m letter) text(l Locale) string {
	var parts []string
	parts = append(parts, l.T("mail.greeting"))
	parts = append(parts, m.Lines...)
	if len(m.Facts) > 0 {
		var facts []string
		for _, f := range m.Facts {
			facts = append(facts, f.Label+": "+f.Value)
		}
		parts = append(parts, strings.Join(facts, "\n"))
	}
	if m.Lead != "" {
		parts = append(parts, m.Lead)
	}
	if m.URL != "" {
		parts = append(parts, m.Button+":\n"+m.URL)
	}
	parts = append(parts, m.After...)
	parts = append(parts, l.T("mail.regards")+"\nHafen")
	return strings.Join(parts, "\n\n") + "\n"
}
