package templates

// field is one input of a form with its words. Name is the form field, and ID
// its place in the page, Name unless several forms share a page.
type field struct {
	Name, ID     string
	Label        string
	Help         string
	Type         string // "text" when empty
	Autocomplete string
	Placeholder  string
	InputMode    string
	MinLength    string
	MaxLength    string
	Optional     bool
	Autofocus    bool
	Suffix       string // shown behind the input, ".hafen.example"
}

func (f field) id() string {
	if f.ID != "" {
		return f.ID
	}
	return f.Name
}

func (f field) kind() string {
	if f.Type != "" {
		return f.Type
	}
	return "text"
}

// describedBy names what a screen reader reads with the input.
func (f field) describedBy(form Form) string {
	text := ""
	if form.Wrong(f.Name) {
		text = f.id() + "-problem"
	}
	if f.Help != "" {
		if text != "" {
			text += " "
		}
		text += f.id() + "-help"
	}
	return text
}

// value keeps what was typed, except passwords.
func (f field) value(form Form) string {
	if f.Type == "password" {
		return ""
	}
	return form.Value(f.Name)
}

// complaint is one line of the summary above a form.
type complaint struct{ Label, ID, Text string }

// complaints lists what is wrong in the order of the fields; what belongs to no
// shown field comes first, so nothing stays unsaid.
func complaints(l Locale, form Form, fields []field) []complaint {
	var list []complaint
	shown := map[string]bool{}
	for _, f := range fields {
		shown[f.Name] = true
		if form.Wrong(f.Name) {
			p := form.Errors[f.Name]
			list = append(list, complaint{f.Label, f.id(), l.Error(p.Code, p.Params)})
		}
	}
	for name, p := range form.Errors {
		if !shown[name] && p.Code != "" {
			list = append([]complaint{{Text: l.Error(p.Code, p.Params)}}, list...)
		}
	}
	return list
}
