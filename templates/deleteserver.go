package templates

// typedNameField asks to type a server's name, so that nobody deletes by a slip.
func typedNameField(l Locale, name, id string) field {
	return field{Name: "name", ID: id, Label: l.T("delete.type", "Name", name), Autocomplete: "off"}
}
