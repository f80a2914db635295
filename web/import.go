package web

import (
	"cmp"
	"net/http"
	"slices"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func importPath(id tenant.ID) string { return membersPath(id) + "/import" }

func importedPath(id tenant.ID, importID string) string {
	return membersPath(id) + "/imports/" + importID
}

func (s *Server) showImport(r *request) error {
	return s.importPage(r, http.StatusOK, templates.Form{})
}

func (s *Server) importPage(r *request, status int, form templates.Form) error {
	earlier, err := s.Imports.List(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	vm := templates.ImportForm{Server: s.serverView(r, r.server), Seats: seatsView(r.server), Form: form}
	for _, i := range earlier {
		vm.Imports = append(vm.Imports, importView(i))
	}
	return r.render(status, templates.ImportPage(at(s.page(r), importPath(r.server.ID)), vm))
}

// readImport reads an uploaded file into a preview.
func (s *Server) readImport(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	content, err := r.file("file")
	if err != nil {
		return err
	}
	preview := ""
	if len(content) == 0 {
		err = &tenant.Fault{Kind: tenant.Invalid, Code: "import.type", Field: "file"}
	} else {
		preview, err = s.Imports.Read(r.ctx(), r.actor(), r.server.ID, r.fileName("file"), content)
	}
	if form, wrong := in.wrong(err); wrong {
		return s.importPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return r.redirect(importPath(r.server.ID) + "/" + preview)
}

// showPreview is what would become of the file.
func (s *Server) showPreview(r *request) error {
	return s.previewPage(r, http.StatusOK, r.Param("preview"), templates.Form{})
}

func (s *Server) previewPage(r *request, status int, preview string, form templates.Form) error {
	p, err := s.Imports.Preview(r.ctx(), r.actor(), r.server.ID, preview)
	if gone, wrong := (input{}).wrong(err); wrong {
		return s.importPage(r, http.StatusUnprocessableEntity, gone)
	}
	if err != nil {
		return err
	}
	vm := previewView(p)
	vm.Server, vm.Form = s.serverView(r, r.server), form
	return r.render(status, templates.ImportPreviewPage(at(s.page(r), importPath(r.server.ID)+"/"+preview), vm))
}

// previewView shows what is wrong first: that is what somebody looks for in five thousand rows.
func previewView(p controlplane.Preview) templates.ImportPreview {
	vm := templates.ImportPreview{ID: p.ID, FileName: p.FileName, Total: len(p.Rows), Good: p.Good(), Free: p.Free}
	rows := slices.Clone(p.Rows)
	slices.SortStableFunc(rows, func(a, b controlplane.ImportRow) int { return cmp.Compare(fine(a), fine(b)) })
	for i, row := range rows {
		if row.Code == "" && row.Email != "" && !row.Own {
			vm.Mails++
		}
		if i < templates.MostPreviewRows {
			vm.Rows = append(vm.Rows, templates.ImportRow{
				Line: row.Line, Name: row.Typed, DisplayName: row.DisplayName, Email: row.Email, Own: row.Own, Code: row.Code,
			})
		}
	}
	return vm
}

func fine(row controlplane.ImportRow) int {
	if row.Code == "" {
		return 1
	}
	return 0
}

// confirmImport begins what was previewed.
func (s *Server) confirmImport(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	importID, err := s.Imports.Begin(r.ctx(), r.actor(), r.server.ID, in.get("preview"))
	if err == nil {
		return r.redirect(importedPath(r.server.ID, importID))
	}
	form, wrong := in.wrong(err)
	if !wrong {
		return err
	}
	if tenant.FaultOf(err).Code == "import.gone" {
		return s.importPage(r, http.StatusUnprocessableEntity, form)
	}
	return s.previewPage(r, http.StatusUnprocessableEntity, in.get("preview"), form)
}

func (s *Server) showImported(r *request) error {
	vm, err := s.importedView(r)
	if err != nil {
		return err
	}
	return r.ok(templates.ImportProgressPage(s.page(r), vm))
}

func (s *Server) showImportState(r *request) error {
	vm, err := s.importedView(r)
	if err != nil {
		return err
	}
	return r.ok(templates.ImportState(r.locale, vm))
}

func (s *Server) importedView(r *request) (templates.ImportProgress, error) {
	i, err := s.Imports.Find(r.ctx(), r.actor(), r.server.ID, r.Param("import"))
	return templates.ImportProgress{Server: s.serverView(r, r.server), Import: importView(i), Manage: manages(r.server)}, err
}

func importView(i controlplane.Import) templates.Import {
	view := templates.Import{
		ID: i.ID, FileName: i.FileName, CreatedAt: i.CreatedAt, Actor: i.Actor, Total: i.Total, Done: i.Done, Failed: i.Failed,
		Mailed: i.Mailed, Unlinked: i.Unlinked,
	}
	for _, row := range i.Failures {
		view.Failures = append(view.Failures, importedRow(row))
	}
	return view
}

func importedRow(row controlplane.Imported) templates.ImportRow {
	return templates.ImportRow{Line: row.Line, Name: string(row.Localpart), Email: row.Email, Own: row.Own, Code: row.Code}
}

// downloadImport is what became of each row.
func (s *Server) downloadImport(r *request) error {
	// Asked for first: once the file has begun there is no other answer.
	if _, err := s.Imports.Find(r.ctx(), r.actor(), r.server.ID, r.Param("import")); err != nil {
		return err
	}
	out, err := r.csv(string(r.server.ServerName)+"-import", templates.ImportCSVHead(r.locale))
	if err != nil {
		return err
	}
	err = s.Imports.Result(r.ctx(), r.actor(), r.server.ID, r.Param("import"), func(row controlplane.Imported) error {
		return out.Write(templates.ImportCSVRow(r.locale, importedRow(row), row.UserID, row.Done))
	})
	if err != nil {
		return err
	}
	return flush(out)
}

// linkImported gives a file with a set-password link for everybody of an import who has no way in yet. The links are in this
// answer alone.
func (s *Server) linkImported(r *request) error {
	tokens, err := s.Imports.Links(r.ctx(), r.actor(), r.server.ID, r.Param("import"))
	if err != nil {
		return err
	}
	out, err := r.csv(string(r.server.ServerName)+"-links", templates.LinksCSVHead(r.locale))
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if err := out.Write(templates.LinksCSVRow(string(t.Member.Localpart), s.tokenView(t))); err != nil {
			return err
		}
	}
	return flush(out)
}

// fileName is what an uploaded file was called.
func (r *request) fileName(field string) string {
	if form := r.Request().MultipartForm; form != nil && len(form.File[field]) > 0 {
		return form.File[field][0].Filename
	}
	return ""
}
