package controlplane

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"hafen/tenant"
)

// mostDocument bounds a document: a thousand plans have some 700 kB.
const mostDocument = 4 << 20

// ReadCatalogue reads a document in YAML, and so in JSON. Values are taken as they are written: no number becomes a float on
// the way. Unknown fields, fields given twice and anything that is not a plain list of fields are refused with their line.
func ReadCatalogue(r io.Reader) (Catalogue, error) {
	var c Catalogue
	raw, err := io.ReadAll(io.LimitReader(r, mostDocument+1))
	if err != nil {
		return c, fmt.Errorf("read the price list: %w", err)
	}
	if len(raw) > mostDocument {
		return c, fmt.Errorf("read the price list: more than %d bytes", mostDocument)
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	if err := decoder.Decode(&document); err != nil {
		return c, fmt.Errorf("read the price list: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return c, errors.New("read the price list: more than one document")
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return c, errors.New("read the price list: line 1: want plans, addons and coupons")
	}
	var wrong []error
	seen := map[string]bool{}
	for key, value := range pairs(document.Content[0]) {
		if seen[key.Value] {
			wrong = append(wrong, fmt.Errorf("line %d: %s is there twice", key.Line, key.Value))
		}
		seen[key.Value] = true
		switch key.Value {
		case "plans":
			c.Plans, err = readEntries(value, "slug", tenant.PlanFields)
		case "addons":
			c.Addons, err = readEntries(value, "slug", tenant.AddonFields)
		case "coupons":
			c.Coupons, err = readEntries(value, "code", tenant.CouponFields)
		default:
			err = fmt.Errorf("line %d: unknown field %s", key.Line, key.Value)
		}
		wrong = append(wrong, err)
	}
	return c, errors.Join(wrong...)
}

// pairs walks through a mapping.
func pairs(mapping *yaml.Node) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if !yield(mapping.Content[i], mapping.Content[i+1]) {
				return
			}
		}
	}
}

func readEntries[T any](list *yaml.Node, id string, fields []tenant.Field[T]) ([]Entry[T], error) {
	if list.Kind == yaml.ScalarNode && list.Tag == "!!null" {
		return nil, nil
	}
	if list.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %d: want a list", list.Line)
	}
	var (
		entries []Entry[T]
		wrong   []error
	)
	for _, node := range list.Content {
		if node.Kind != yaml.MappingNode {
			wrong = append(wrong, fmt.Errorf("line %d: want fields with values", node.Line))
			continue
		}
		e := Entry[T]{Line: node.Line, Said: map[string]Said{}}
		for key, value := range pairs(node) {
			text, err := plainText(value)
			switch {
			case !slices.ContainsFunc(fields, func(f tenant.Field[T]) bool { return f.Name == key.Value }):
				err = fmt.Errorf("line %d: unknown field %s", key.Line, key.Value)
			case e.Said[key.Value].Line > 0:
				err = fmt.Errorf("line %d: %s is there twice", key.Line, key.Value)
			}
			wrong = append(wrong, err)
			e.Said[key.Value] = Said{Text: text, Line: value.Line}
		}
		e.Name = strings.TrimSpace(e.Said[id].Text)
		if id == "code" {
			e.Name = strings.ToUpper(e.Name)
		}
		if e.Name == "" {
			wrong = append(wrong, fmt.Errorf("line %d: %s is missing", node.Line, id))
		}
		entries = append(entries, e)
	}
	return entries, errors.Join(wrong...)
}

// plainText is a value as it is written; a list of values is one text with commas.
func plainText(value *yaml.Node) (string, error) {
	switch value.Kind {
	case yaml.ScalarNode:
		if value.Tag == "!!null" {
			return "", nil
		}
		return value.Value, nil
	case yaml.SequenceNode:
		parts := make([]string, len(value.Content))
		for i, part := range value.Content {
			if part.Kind != yaml.ScalarNode {
				return "", fmt.Errorf("line %d: want a plain value", part.Line)
			}
			parts[i] = part.Value
		}
		return strings.Join(parts, ", "), nil
	default: // an alias among them: nothing here is worth a reference, and they can be bombs
		return "", fmt.Errorf("line %d: want a plain value", value.Line)
	}
}

// WriteTo writes a document that ReadCatalogue reads, the same for the same catalogue, one field a line.
func (c Catalogue) WriteTo(w io.Writer) (int64, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	root.Content = append(root.Content, scalar("plans", false), entryNodes(c.Plans, tenant.PlanFields))
	root.Content = append(root.Content, scalar("addons", false), entryNodes(c.Addons, tenant.AddonFields))
	root.Content = append(root.Content, scalar("coupons", false), entryNodes(c.Coupons, tenant.CouponFields))
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return 0, fmt.Errorf("write the price list: %w", err)
	}
	return b.WriteTo(w)
}

func entryNodes[T any](entries []Entry[T], fields []tenant.Field[T]) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, e := range entries {
		node := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range fields {
			text := f.Get(&e.Value)
			node.Content = append(node.Content, scalar(f.Name, false), scalar(text, f.Words || text == ""))
		}
		list.Content = append(list.Content, node)
	}
	return list
}

// scalar is a value. Words stand in quotes: a plan may be called "1.000", or "no".
func scalar(text string, words bool) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if words {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}
