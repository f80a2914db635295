package web

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hafen/controlplane"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// sources are the packages that make codes people read the sentences of.
var sources = []string{"../tenant", "../controlplane", "../provisioner", "../web"}

// TestEveryCodeHasASentence reads the codes of faults and failures from the sources themselves, so that a new one without
// words fails here.
func TestEveryCodeHasASentence(t *testing.T) {
	t.Parallel()
	files := parseSources(t)
	wanted := map[string]string{}
	for _, code := range codesOf(files, "Fault") {
		wanted["error."+code] = "fault"
	}
	for _, code := range codesOf(files, "Failure") {
		wanted["failure."+code] = "failure"
	}
	for _, code := range append(listed(files, "FailureCodes"), storedCodes(files)...) {
		wanted["failure."+code] = "failure"
	}
	// Made from parts at run time: what the store says of a name, before "name." or "domain.".
	for _, prefix := range []string{"error.name.", "error.domain."} {
		wanted[prefix+"taken"], wanted[prefix+"tombstoned"] = "holder", "holder"
	}
	delete(wanted, "error.name.ours") // only an own domain can be under the base
	for _, key := range []string{"failure.acme.dns", "failure.docker_absent", "failure.image_absent", "failure.unsettled", "failure.domain_taken", "failure.interrupted"} {
		if wanted[key] == "" {
			t.Errorf("%s was not found in the sources: they are not read right", key)
		}
	}
	if len(wanted) < 70 {
		t.Fatalf("only %d codes found: the sources are not read right", len(wanted))
	}
	for flash := range tones {
		wanted["flash."+string(flash)] = "flash"
	}
	for _, code := range tenant.DomainCodes {
		wanted["record."+code] = "record"
	}
	for _, step := range tenant.Steps {
		wanted["step."+string(step)] = "step"
	}
	for _, status := range tenant.Statuses {
		wanted["status."+string(status)] = "status"
	}
	for _, kind := range []controlplane.OperationKind{
		controlplane.OperationCreate, controlplane.OperationSetPassword, controlplane.OperationDeactivate, controlplane.OperationReactivate,
	} {
		wanted["member.result."+string(kind)] = "operation"
	}
	for _, action := range actionsOf(files) {
		wanted["action."+action] = "audit"
	}
	for key, why := range wanted {
		for _, language := range i18n.Languages {
			if !i18n.For(language).Has(key) {
				t.Errorf("no words in %s for %s (%s)", language, key, why)
			}
		}
	}
}

func parseSources(t *testing.T) []*ast.File {
	t.Helper()
	var files []*ast.File
	for _, root := range sources {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.Contains(path, "/fake/") || strings.Contains(path, "/conformance/") {
				return err
			}
			file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, 0)
			files = append(files, file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// codesOf lists the codes of all composite literals of a type (tenant.Fault, Fault, tenant.Failure, ...). Where a function
// makes one with a code from a parameter, its callers are looked at.
func codesOf(files []*ast.File, kind string) []string {
	codes := map[string]bool{}
	type maker struct {
		parameter int
		prefix    string
	}
	makers := map[string][]maker{}
	each(files, func(fn *ast.FuncDecl, node ast.Node) {
		lit, ok := node.(*ast.CompositeLit)
		if !ok || typeName(lit.Type) != kind {
			return
		}
		for _, element := range lit.Elts {
			pair, ok := element.(*ast.KeyValueExpr)
			if !ok || typeName(pair.Key) != "Code" {
				continue
			}
			prefix, value := split(pair.Value)
			if text, ok := literal(value); ok {
				codes[prefix+text] = true
			} else if name, i := parameterIndex(fn, value); i >= 0 {
				makers[name] = append(makers[name], maker{i, prefix})
			}
		}
	})
	each(files, func(_ *ast.FuncDecl, node ast.Node) {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return
		}
		for _, m := range makers[typeName(call.Fun)] {
			if m.parameter < len(call.Args) {
				if text, ok := literal(call.Args[m.parameter]); ok {
					codes[m.prefix+text] = true
				}
			}
		}
	})
	return slices.Sorted(maps.Keys(codes))
}

// listed gives the values of a list that a package keeps of its own codes.
func listed(files []*ast.File, name string) (values []string) {
	for _, file := range files {
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || spec.Names[0].Name != name || len(spec.Values) != 1 {
				return true
			}
			list, ok := spec.Values[0].(*ast.CompositeLit)
			if !ok {
				return true
			}
			for _, element := range list.Elts {
				if text, ok := literal(element); ok {
					values = append(values, text)
				}
			}
			return true
		})
	}
	return values
}

var storedCode = regexp.MustCompile(`\bcode = '([a-z_.]+)'|\bfailure_code = '([a-z_.]+)'`)

// storedCodes lists the codes of failures that statements of the store write by themselves.
func storedCodes(files []*ast.File) (codes []string) {
	for _, file := range files {
		ast.Inspect(file, func(node ast.Node) bool {
			if lit, ok := node.(*ast.BasicLit); ok {
				for _, found := range storedCode.FindAllStringSubmatch(lit.Value, -1) {
					codes = append(codes, found[1]+found[2])
				}
			}
			return true
		})
	}
	return codes
}

// actionsOf lists what the audit log can hold: literals named Action, and those given to a store's audit method.
func actionsOf(files []*ast.File) []string {
	actions := map[string]bool{}
	each(files, func(_ *ast.FuncDecl, node ast.Node) {
		switch n := node.(type) {
		case *ast.KeyValueExpr:
			if text, ok := literal(n.Value); ok && typeName(n.Key) == "Action" && strings.Contains(text, ".") {
				actions[text] = true
			}
		case *ast.CallExpr:
			if name := typeName(n.Fun); name == "audit" || name == "QueueMail" {
				for _, argument := range n.Args {
					if text, ok := literal(argument); ok && strings.Contains(text, ".") {
						actions[text] = true
					}
				}
			}
		}
	})
	return slices.Sorted(maps.Keys(actions))
}

func each(files []*ast.File, visit func(*ast.FuncDecl, ast.Node)) {
	for _, file := range files {
		for _, declaration := range file.Decls {
			fn, _ := declaration.(*ast.FuncDecl)
			ast.Inspect(declaration, func(node ast.Node) bool {
				if node != nil {
					visit(fn, node)
				}
				return true
			})
		}
	}
}

// typeName is the last word of a name: Fault of tenant.Fault.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	default:
		return ""
	}
}

// split takes a literal beginning off: "domain." of "domain." + code.
func split(e ast.Expr) (string, ast.Expr) {
	sum, ok := e.(*ast.BinaryExpr)
	if !ok || sum.Op != gotoken.ADD {
		return "", e
	}
	if prefix, ok := literal(sum.X); ok {
		return prefix, sum.Y
	}
	return "", e
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != gotoken.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil && text != ""
}

// parameterIndex finds which parameter e is, of fn or of a function that fn keeps in a variable, and that function's name.
func parameterIndex(fn *ast.FuncDecl, e ast.Expr) (function string, i int) {
	name, ok := e.(*ast.Ident)
	if !ok || fn == nil {
		return "", -1
	}
	if i := indexIn(fn.Type, name); i >= 0 {
		return fn.Name.Name, i
	}
	i = -1
	ast.Inspect(fn, func(node ast.Node) bool {
		assignment, ok := node.(*ast.AssignStmt)
		if !ok {
			return true
		}
		kept, ok := assignment.Rhs[0].(*ast.FuncLit)
		if ok && kept.Pos() <= e.Pos() && e.End() <= kept.End() {
			function, i = typeName(assignment.Lhs[0]), indexIn(kept.Type, name)
		}
		return true
	})
	return function, i
}

func indexIn(fn *ast.FuncType, name *ast.Ident) int {
	i := 0
	for _, field := range fn.Params.List {
		for _, parameter := range field.Names {
			if parameter.Name == name.Name {
				return i
			}
			i++
		}
	}
	return -1
}
