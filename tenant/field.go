package tenant

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Field is one thing an operator sets on what is sold, as text. The forms of the console, the file of the price list, what
// changed between two versions and the audit log are all made from the same list of them.
type Field[T any] struct {
	Name  string
	Words bool // free text, which stands in quotes in a file
	Fixed bool // the same through all versions
	Get   func(*T) string
	Set   func(*T, string) error // a Fault without its field; the value stays as it was
}

// Fill sets fields from text, those that get knows. All faults, joined, name their field.
func Fill[T any](fields []Field[T], into *T, get func(name string) (string, bool)) error {
	var faults []error
	for _, f := range fields {
		text, given := get(f.Name)
		if !given {
			continue
		}
		if err := f.Set(into, text); err != nil {
			fault := *FaultOf(err)
			fault.Field = f.Name
			faults = append(faults, &fault)
		}
	}
	return errors.Join(faults...)
}

// FieldChange is what a field was and is.
type FieldChange struct{ Field, Before, After string }

// Changed lists the fields in which two differ.
func Changed[T any](fields []Field[T], before, after T) []FieldChange {
	var list []FieldChange
	for _, f := range fields {
		if b, a := f.Get(&before), f.Get(&after); a != b {
			list = append(list, FieldChange{Field: f.Name, Before: b, After: a})
		}
	}
	return list
}

// PlanFields are those of a plan, in the order of forms and files.
var PlanFields = []Field[Plan]{
	fixed(choice("slug", func(p *Plan) *string { return &p.Slug })),
	words("name", func(p *Plan) *string { return &p.Name.EN }),
	words("name_de", func(p *Plan) *string { return &p.Name.DE }),
	words("description", func(p *Plan) *string { return &p.Description.EN }),
	words("description_de", func(p *Plan) *string { return &p.Description.DE }),
	flag("visible", func(p *Plan) *bool { return &p.Visible }),
	whole("position", func(p *Plan) *int { return &p.Position }),
	cents("price", func(p *Plan) *int64 { return &p.Price.Cents }),
	fixed(choice("currency", func(p *Plan) *string { return &p.Price.Currency })),
	whole("vat_rate", func(p *Plan) *int { return &p.VATRate }),
	flag("show_gross", func(p *Plan) *bool { return &p.ShowGross }),
	fixed(choice("period", func(p *Plan) *Period { return &p.Period })),
	whole("trial_days", func(p *Plan) *int { return &p.TrialDays }),
	whole("seats", func(p *Plan) *int { return &p.Quota.Seats }),
	size("storage", func(p *Plan) *int64 { return &p.Quota.StorageBytes }),
	size("upload", func(p *Plan) *int64 { return &p.Quota.UploadBytes }),
	choice("federation", func(p *Plan) *FederationMode { return &p.Quota.Federation }),
	list("engines", func(p *Plan) *[]EngineName { return &p.Engines }),
	whole("backups", func(p *Plan) *int { return &p.Backups }),
	size("memory", func(p *Plan) *int64 { return &p.Limits.MemoryBytes }),
	whole("cpu_millis", func(p *Plan) *int { return &p.Limits.CPUMillis }),
	whole("pids", func(p *Plan) *int { return &p.Limits.PIDs }),
	whole("database_connections", func(p *Plan) *int { return &p.Limits.DatabaseConnections }),
	{
		Name: "valid_from", Get: func(p *Plan) string { return formatTime(&p.ValidFrom) },
		Set: func(p *Plan, text string) error {
			at, err := parseTime(text)
			if err == nil && at == nil {
				at = &time.Time{} // at once
			}
			if err == nil {
				p.ValidFrom = *at
			}
			return err
		},
	},
	moment("valid_until", func(p *Plan) **time.Time { return &p.ValidUntil }),
}

// AddonFields are those of an add-on.
var AddonFields = []Field[Addon]{
	fixed(choice("slug", func(a *Addon) *string { return &a.Slug })),
	words("name", func(a *Addon) *string { return &a.Name.EN }),
	words("name_de", func(a *Addon) *string { return &a.Name.DE }),
	flag("visible", func(a *Addon) *bool { return &a.Visible }),
	whole("position", func(a *Addon) *int { return &a.Position }),
	fixed(choice("kind", func(a *Addon) *AddonKind { return &a.Kind })), // before the amount, whose unit it decides
	{Name: "amount", Get: func(a *Addon) string {
		if a.Kind == AddonStorage {
			return FormatBytes(a.Amount)
		}
		return strconv.FormatInt(a.Amount, 10)
	}, Set: func(a *Addon, text string) (err error) {
		n := 0
		if a.Kind == AddonStorage {
			a.Amount, err = ParseBytes(text)
		} else if n, err = parseWhole(text); err == nil {
			a.Amount = int64(n)
		}
		return err
	}},
	cents("price", func(a *Addon) *int64 { return &a.Price.Cents }),
	fixed(choice("currency", func(a *Addon) *string { return &a.Price.Currency })),
	whole("vat_rate", func(a *Addon) *int { return &a.VATRate }),
	list("plans", func(a *Addon) *[]string { return &a.Plans }),
	whole("most", func(a *Addon) *int { return &a.Most }),
}

// CouponFields are those of a coupon. Numbers that may be left out are 0 then.
var CouponFields = []Field[Coupon]{
	{Name: "code", Fixed: true, Get: func(c *Coupon) string { return c.Code }, Set: func(c *Coupon, text string) error {
		c.Code = strings.ToUpper(strings.TrimSpace(text))
		return nil
	}},
	optional(whole("percent", func(c *Coupon) *int { return &c.Percent })),
	optional(cents("amount", func(c *Coupon) *int64 { return &c.Amount.Cents })),
	choice("currency", func(c *Coupon) *string { return &c.Amount.Currency }),
	optional(whole("periods", func(c *Coupon) *int { return &c.Periods })),
	list("plans", func(c *Coupon) *[]string { return &c.Plans }),
	optional(whole("most", func(c *Coupon) *int { return &c.Most })),
	moment("redeem_by", func(c *Coupon) **time.Time { return &c.RedeemBy }),
	words("note", func(c *Coupon) *string { return &c.Note }),
	flag("withdrawn", func(c *Coupon) *bool { return &c.Withdrawn }),
}

func fixed[T any](f Field[T]) Field[T] {
	f.Fixed = true
	return f
}

// optional reads nothing as 0, and writes 0 as nothing.
func optional[T any](f Field[T]) Field[T] {
	get, set := f.Get, f.Set
	f.Get = func(t *T) string {
		if text := get(t); text != "0" && text != "0.00" {
			return text
		}
		return ""
	}
	f.Set = func(t *T, text string) error {
		if strings.TrimSpace(text) == "" {
			text = "0"
		}
		return set(t, text)
	}
	return f
}

func words[T any](name string, at func(*T) *string) Field[T] {
	f := choice(name, at)
	f.Words = true
	return f
}

func choice[T any, S ~string](name string, at func(*T) *S) Field[T] {
	return Field[T]{Name: name, Get: func(t *T) string { return string(*at(t)) }, Set: func(t *T, text string) error {
		*at(t) = S(strings.TrimSpace(text))
		return nil
	}}
}

func flag[T any](name string, at func(*T) *bool) Field[T] {
	return Field[T]{Name: name, Get: func(t *T) string {
		if *at(t) {
			return "yes"
		}
		return "no"
	}, Set: func(t *T, text string) error {
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "yes", "true":
			*at(t) = true
		case "no", "false", "":
			*at(t) = false
		default:
			return &Fault{Kind: Invalid, Code: "choice.unknown"}
		}
		return nil
	}}
}

func whole[T any](name string, at func(*T) *int) Field[T] {
	return Field[T]{Name: name, Get: func(t *T) string { return strconv.Itoa(*at(t)) }, Set: func(t *T, text string) error {
		n, err := parseWhole(text)
		if err == nil {
			*at(t) = n
		}
		return err
	}}
}

// parseWhole reads a number without marks. What is too large to be one is the largest, and so beyond every bound.
func parseWhole(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, &Fault{Kind: Invalid, Code: "number.format"}
	}
	return n, nil
}

func cents[T any](name string, at func(*T) *int64) Field[T] {
	return Field[T]{Name: name, Get: func(t *T) string { return FormatCents(*at(t)) }, Set: func(t *T, text string) error {
		n, err := ParseCents(text)
		if err == nil {
			*at(t) = n
		}
		return err
	}}
}

func size[T any](name string, at func(*T) *int64) Field[T] {
	return Field[T]{Name: name, Get: func(t *T) string { return FormatBytes(*at(t)) }, Set: func(t *T, text string) error {
		n, err := ParseBytes(text)
		if err == nil {
			*at(t) = n
		}
		return err
	}}
}

func list[T any, S ~string](name string, at func(*T) *[]S) Field[T] {
	return Field[T]{Name: name, Get: func(t *T) string {
		parts := make([]string, len(*at(t)))
		for i, part := range *at(t) {
			parts[i] = string(part)
		}
		return strings.Join(parts, ", ")
	}, Set: func(t *T, text string) error {
		var parts []S
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
			parts = append(parts, S(part))
		}
		*at(t) = slices.Clip(parts)
		return nil
	}}
}

func moment[T any](name string, at func(*T) **time.Time) Field[T] {
	return Field[T]{Name: name, Get: func(t *T) string { return formatTime(*at(t)) }, Set: func(t *T, text string) error {
		when, err := parseTime(text)
		if err == nil {
			*at(t) = when
		}
		return err
	}}
}

func formatTime(at *time.Time) string {
	if at == nil || at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

func parseTime(text string) (*time.Time, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 2000 || at.Year() > 2200 {
		return nil, &Fault{Kind: Invalid, Code: "time.format"}
	}
	at = at.UTC()
	return &at, nil
}
