package stripefake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// object is one of Stripe's objects as it is sent. Keys that begin with "_" are the fake's own and never are.
type object map[string]any

func (o object) str(key string) string { s, _ := o[key].(string); return s }
func (o object) num(key string) int64  { n, _ := o[key].(int64); return n }
func (o object) is(key string) bool    { b, _ := o[key].(bool); return b }
func (o object) obj(key string) object { v, _ := o[key].(object); return v }
func (o object) strs(key string) []any { v, _ := o[key].([]any); return v }
func (o object) rows(key string) []any { return o.obj(key).strs("data") }

// listOf is a list as it stands within an object.
func listOf(url string, rows []any) object {
	if rows == nil {
		rows = []any{}
	}
	return object{"object": "list", "data": rows, "has_more": false, "url": url}
}

// linesShown is how many lines an invoice has within itself; the rest is a list of its own.
const linesShown = 10

// clone copies an object as a client sees it.
func clone(v any) any {
	switch v := v.(type) {
	case object:
		c := make(object, len(v))
		for key, value := range v {
			if !strings.HasPrefix(key, "_") {
				c[key] = clone(value)
			}
		}
		if lines := c.obj("lines"); c.str("object") == "invoice" && len(lines.strs("data")) > linesShown {
			lines["data"], lines["has_more"] = lines.strs("data")[:linesShown], true
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, value := range v {
			c[i] = clone(value)
		}
		return c
	default:
		return v
	}
}

// add keeps a new object.
func (s *Server) add(kind, id string, o object) object {
	o["object"], o["id"], o["created"], o["livemode"] = kind, id, s.now.Unix(), false
	if _, has := o["metadata"]; !has {
		o["metadata"] = object{}
	}
	s.objects[id] = o
	s.ids = append(s.ids, id)
	return o
}

// newID is unlike any other, and in the order of making.
func (s *Server) newID(prefix string) string {
	s.last++
	return fmt.Sprintf("%s_fake%08d", prefix, s.last)
}

// find gives an object of a kind, or Stripe's error that there is none.
func (s *Server) find(kind, id, param string) (object, *Error) {
	if o, found := s.objects[id]; found && o.str("object") == kind {
		return o, nil
	}
	return nil, &Error{
		status: 404, Type: "invalid_request_error", Code: "resource_missing", Param: param,
		Message: fmt.Sprintf("No such %s: '%s'", strings.ReplaceAll(kind, ".", " "), id),
	}
}

// all lists what is of a kind and fits, oldest first.
func (s *Server) all(kind string, fits func(object) bool) []object {
	var list []object
	for _, id := range s.ids {
		if o := s.objects[id]; o != nil && o.str("object") == kind && (fits == nil || fits(o)) {
			list = append(list, o)
		}
	}
	return list
}

// page answers a list request: newest first, with cursors.
func (s *Server) page(c *call, list []object) (object, *Error) {
	list = slices.Clone(list)
	slices.Reverse(list)
	limit, err := c.form.number("limit", 10)
	if err != nil || limit < 1 || limit > 100 {
		return nil, invalid("limit", "Invalid limit: must be between 1 and 100")
	}
	at := func(param string) (int, *Error) {
		id := c.form.text(param)
		i := slices.IndexFunc(list, func(o object) bool { return o.str("id") == id })
		if i < 0 {
			return 0, &Error{status: 400, Type: "invalid_request_error", Code: "resource_missing", Param: param, Message: "No such object: '" + id + "'"}
		}
		return i, nil
	}
	var more bool
	switch {
	case c.form.has("ending_before"):
		i, err := at("ending_before")
		if err != nil {
			return nil, err
		}
		list = list[:i]
		if more = len(list) > int(limit); more {
			list = list[len(list)-int(limit):]
		}
	default:
		if c.form.has("starting_after") {
			i, err := at("starting_after")
			if err != nil {
				return nil, err
			}
			list = list[i+1:]
		}
		if more = len(list) > int(limit); more {
			list = list[:limit]
		}
	}
	rows := make([]any, len(list))
	for i, o := range list {
		rows[i] = clone(o)
	}
	answer := listOf(c.request.URL.Path, rows)
	answer["has_more"] = more
	return answer, nil
}

// expand puts objects where their ids are, along the paths asked for.
func (s *Server) expand(o object, paths []string) *Error {
	for _, path := range paths {
		parts := strings.Split(path, ".")
		if len(parts) > 4 {
			return invalid("expand", "You cannot expand more than 4 levels of a property. Property: "+path)
		}
		if !s.expandPath(o, parts) {
			return invalid("expand", "This property cannot be expanded ("+path+").")
		}
	}
	return nil
}

func (s *Server) expandPath(v any, parts []string) bool {
	if rows, ok := v.([]any); ok {
		for _, row := range rows {
			if !s.expandPath(row, parts) {
				return false
			}
		}
		return true
	}
	o, ok := v.(object)
	if !ok || len(parts) == 0 {
		return len(parts) == 0
	}
	inner, has := o[parts[0]]
	if !has {
		return false
	}
	if id, isID := inner.(string); isID {
		target, found := s.objects[id]
		if !found {
			return false
		}
		inner = clone(target)
		o[parts[0]] = inner
	}
	if inner == nil || len(parts) == 1 {
		return true
	}
	return s.expandPath(inner, parts[1:])
}

// invalid is a request that Stripe refuses for one of its parameters.
func invalid(param, message string) *Error {
	return &Error{status: 400, Type: "invalid_request_error", Param: param, Message: message}
}

func missing(param string) *Error {
	return &Error{status: 400, Type: "invalid_request_error", Code: "parameter_missing", Param: param, Message: "Missing required param: " + param + "."}
}

// atoi reads a number that Stripe wrote for us, so it is one.
func atoi(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
