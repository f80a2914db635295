package stripefake

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// form is a form-encoded body with its brackets read: "items[0][price]=p" is items → 0 → price → "p".
type form map[string]any

func parseForm(encoded string) (form, *Error) {
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return nil, invalid("", "Invalid form encoding")
	}
	root := form{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for i, value := range values[key] {
			if !root.put(splitKey(key, i), value) {
				return nil, invalid(key, "Invalid parameter: "+key)
			}
		}
	}
	return root, nil
}

// splitKey turns "a[b][]" into a, b and the place in the array.
func splitKey(key string, place int) []string {
	head, rest, nested := strings.Cut(key, "[")
	parts := []string{head}
	for nested {
		var part string
		part, rest, _ = strings.Cut(rest, "]")
		if part == "" {
			part = strconv.Itoa(place)
		}
		parts = append(parts, part)
		_, rest, nested = strings.Cut(rest, "[")
	}
	return parts
}

func (f form) put(parts []string, value string) bool {
	if len(parts) == 1 {
		_, twice := f[parts[0]]
		f[parts[0]] = value
		return !twice
	}
	inner, has := f[parts[0]]
	if !has {
		inner = form{}
		f[parts[0]] = inner
	}
	next, ok := inner.(form)
	return ok && next.put(parts[1:], value)
}

func (f form) has(key string) bool    { _, has := f[key]; return has }
func (f form) text(key string) string { s, _ := f[key].(string); return s }
func (f form) form(key string) form   { inner, _ := f[key].(form); return inner }
func (f form) flag(key string) bool   { return f.text(key) == "true" }

func (f form) number(key string, otherwise int64) (int64, *Error) {
	if !f.has(key) || f.text(key) == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(f.text(key), 10, 64)
	if err != nil {
		return 0, &Error{status: 400, Type: "invalid_request_error", Code: "parameter_invalid_integer", Param: key, Message: "Invalid integer: " + f.text(key)}
	}
	return n, nil
}

// list is an array in its order.
func (f form) list(key string) []form {
	inner := f.form(key)
	var list []form
	for _, place := range inner.places() {
		item, _ := inner[place].(form)
		list = append(list, item)
	}
	return list
}

// texts is an array of strings in its order.
func (f form) texts(key string) []string {
	inner := f.form(key)
	var list []string
	for _, place := range inner.places() {
		list = append(list, inner.text(place))
	}
	return list
}

func (f form) places() []string {
	return slices.SortedFunc(maps.Keys(f), func(a, b string) int {
		return cmp.Or(cmp.Compare(atoi(a), atoi(b)), strings.Compare(a, b))
	})
}

// object is the form as an object of strings and truths.
func (f form) object() object {
	o := object{}
	for key, value := range f {
		switch value := value.(type) {
		case form:
			o[key] = value.object()
		case string:
			o[key] = value
			if value == "true" || value == "false" {
				o[key] = value == "true"
			}
		}
	}
	return o
}

// merge changes metadata as Stripe does: an empty value removes its key, and an empty whole removes all.
func (f form) merge(into object) object {
	if f.has("metadata") && f.form("metadata") == nil {
		return object{}
	}
	if into == nil {
		into = object{}
	}
	for key, value := range f.form("metadata") {
		if value == "" {
			delete(into, key)
			continue
		}
		into[key] = value
	}
	return into
}

// metadataLimits are Stripe's (https://docs.stripe.com/api/metadata).
func metadataLimits(f form) *Error {
	for key, value := range f.form("metadata") {
		if text, _ := value.(string); len(key) > 40 || len(text) > 500 {
			return invalid("metadata", "Metadata keys can have up to 40 characters and their values up to 500: "+key)
		}
	}
	return nil
}

// only refuses parameters that the endpoint has not.
func (f form) only(known ...string) *Error {
	for _, key := range slices.Sorted(maps.Keys(f)) {
		if key != "expand" && !slices.Contains(known, key) {
			return &Error{status: 400, Type: "invalid_request_error", Code: "parameter_unknown", Param: key, Message: fmt.Sprintf("Received unknown parameter: %s", key)}
		}
	}
	return nil
}
