package web

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func (s *Server) showSettings(r *request) error {
	return s.settingsPage(r, http.StatusOK, templates.Form{Values: settingsValues(r.server)}, templates.Form{})
}

func (s *Server) changeSettings(r *request) error {
	in, err := r.form("federation", "partners", "push", "encryption", "directory", "previews", "retention_days", "upload_bytes",
		"name", "welcome", "language", "support_email", "support_matrix_id", "support_page", "seen")
	if err != nil {
		return err
	}
	wanted, err := s.readSettings(in, r.server)
	changed := false
	if err == nil {
		changed, err = s.Settings.Change(r.ctx(), r.actor(), r.server.ID, wanted, in.get("language"), in.get("seen"))
	}
	if tenant.FaultOf(err).Code == "settings.changed" {
		in.form.Values = settingsValues(r.server) // what there is now: what was typed belongs to something else
	}
	if form, wrong := in.wrong(err); wrong {
		return s.settingsPage(r, http.StatusUnprocessableEntity, form, templates.Form{})
	}
	if err != nil {
		return err
	}
	if !changed {
		return r.done(settingsPath(r.server.ID), flashUnchanged)
	}
	return r.done(settingsPath(r.server.ID), flashSettingsSaved)
}

func (s *Server) showSettingsState(r *request) error {
	vm, err := s.settingsView(r)
	if err != nil {
		return err
	}
	return r.ok(templates.SettingsState(r.locale, vm))
}

func (s *Server) setLogo(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	var content []byte
	if in.get("remove") == "" {
		if content, err = r.file("logo"); err != nil {
			return err
		}
		if len(content) == 0 {
			err = &tenant.Fault{Kind: tenant.Invalid, Code: "logo.kind", Field: "logo"}
		}
	}
	if err == nil {
		err = s.Settings.SetLogo(r.ctx(), r.actor(), r.server.ID, content)
	}
	if form, wrong := in.wrong(err); wrong {
		return s.settingsPage(r, http.StatusUnprocessableEntity, templates.Form{Values: settingsValues(r.server)}, form)
	}
	if err != nil {
		return err
	}
	return r.done(settingsPath(r.server.ID), flashLogoSaved)
}

// logo answers with a server's picture, to anybody: invitations show it. Its type was found from its content when it came,
// and nosniff keeps a browser from thinking otherwise.
func (s *Server) logo(r *request) error {
	id, err := tenant.ParseID(r.Param("server"))
	if err != nil {
		return err
	}
	logo, err := s.Settings.Logo(r.ctx(), id)
	if err != nil {
		return err
	}
	if len(logo.Image) == 0 {
		return &tenant.Fault{Kind: tenant.NotFound, Code: "tenant.unknown"}
	}
	r.Response().Header().Set("Cache-Control", "public, max-age=300")
	return r.Blob(http.StatusOK, logo.Type, logo.Image)
}

// file is what was sent in a field for a file; nil when none was chosen.
func (r *request) file(name string) ([]byte, error) {
	form := r.Request().MultipartForm
	if form == nil || len(form.File[name]) == 0 {
		return nil, nil
	}
	content, err := form.File[name][0].Open()
	if err != nil {
		return nil, faultStatus(http.StatusBadRequest)
	}
	defer content.Close()
	return io.ReadAll(content) // as large as the form may be, and in memory already
}

func settingsPath(id tenant.ID) string { return serverPath(id) + "/settings" }

func logoPath(id tenant.ID) string { return "/logos/" + string(id) }

func (s *Server) settingsPage(r *request, status int, form, logo templates.Form) error {
	vm, err := s.settingsView(r)
	if err != nil {
		return err
	}
	vm.Form, vm.LogoForm = form, logo
	return r.render(status, templates.SettingsPage(s.page(r), vm))
}

func (s *Server) settingsView(r *request) (templates.Settings, error) {
	changes, err := s.Settings.Changes(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return templates.Settings{}, err
	}
	picture, err := s.Settings.Logo(r.ctx(), r.server.ID)
	if err != nil {
		return templates.Settings{}, err
	}
	vm := templates.Settings{
		Server: s.serverView(r, r.server),
		Able: templates.SettingsAble{
			Engine:   engineName(r.server.Engine),
			Previews: s.can(r.server, homeserver.URLPreviews), Retention: s.can(r.server, homeserver.Retention),
			Directory: s.can(r.server, homeserver.RoomDirectory), Encryption: s.can(r.server, homeserver.DefaultEncryption),
			OutboundList: s.can(r.server, homeserver.OutboundPartners),
		},
		Plan:     templates.SettingsPlan{Federation: r.server.Quota.Federation.Allows(tenant.FederationList), FederationOpen: r.server.Quota.Federation.Allows(tenant.FederationOpen), UploadBytes: r.server.Quota.UploadBytes},
		Writable: r.server.Status == tenant.Active && r.server.Role.May(controlplane.ManageSettings),
	}
	if len(picture.Image) > 0 {
		vm.LogoURL = logoPath(r.server.ID)
	}
	for _, c := range changes {
		vm.Changes = append(vm.Changes, changeView(c))
	}
	return vm, nil
}

func changeView(c controlplane.SettingsChange) templates.SettingsChange {
	v := templates.SettingsChange{Actor: c.Actor, Changed: c.Changed, At: c.CreatedAt, Restart: c.Restart, Outcome: c.Outcome}
	if c.Outcome == "" {
		v.Outcome = "running"
	}
	if c.Away != nil {
		v.Away = *c.Away
	}
	return v
}

// settingsValues writes a server's settings as the form shows them.
func settingsValues(server controlplane.Server) map[string]string {
	s := server.Settings
	values := map[string]string{
		"federation": string(s.Federation), "name": s.Name, "welcome": s.Welcome, "language": server.Language,
		"seen":          controlplane.SettingsSeen(s, server.Language),
		"support_email": s.Support.Email, "support_matrix_id": s.Support.MatrixID, "support_page": s.Support.Page,
	}
	for name, on := range map[string]bool{"push": s.Push, "encryption": s.Encryption, "directory": s.Directory, "previews": s.Previews} {
		if on {
			values[name] = "yes"
		}
	}
	if s.RetentionDays > 0 {
		values["retention_days"] = strconv.Itoa(s.RetentionDays)
	}
	if s.UploadBytes < server.Quota.UploadBytes {
		values["upload_bytes"] = strconv.FormatInt(s.UploadBytes/megabyte, 10)
	}
	var names []string
	for _, partner := range s.Partners {
		names = append(names, string(partner))
	}
	values["partners"] = strings.Join(names, "\n")
	return values
}

const megabyte = 1_000_000

// readSettings reads the form. What the engine cannot do has a box that cannot be ticked, which sends nothing: it stays as it is.
func (s *Server) readSettings(in input, server controlplane.Server) (tenant.Settings, error) {
	now := server.Settings
	box := func(name string, needs homeserver.Capability, before bool) bool {
		if needs != "" && !s.can(server, needs) {
			return before
		}
		return in.get(name) != ""
	}
	wanted := tenant.Settings{
		Federation: tenant.FederationMode(in.get("federation")),
		Push:       box("push", "", now.Push),
		Encryption: box("encryption", homeserver.DefaultEncryption, now.Encryption),
		Directory:  box("directory", homeserver.RoomDirectory, now.Directory),
		Previews:   box("previews", homeserver.URLPreviews, now.Previews),
		Name:       strings.TrimSpace(in.get("name")),
		Welcome:    strings.TrimSpace(in.get("welcome")),
		Support: tenant.Support{
			Email:    strings.TrimSpace(in.get("support_email")),
			MatrixID: strings.TrimSpace(in.get("support_matrix_id")),
			Page:     strings.TrimSpace(in.get("support_page")),
		},
	}
	var err error
	if wanted.RetentionDays, err = wholeNumber(in.get("retention_days"), "settings.retention", "retention_days"); err != nil {
		return wanted, err
	}
	upload, err := wholeNumber(in.get("upload_bytes"), "settings.upload", "upload_bytes")
	if err != nil {
		return wanted, err
	}
	wanted.UploadBytes = int64(upload) * megabyte
	if wanted.Federation == tenant.FederationList {
		wanted.Partners, err = readPartners(in.get("partners"))
	}
	return wanted, err
}

func wholeNumber(text, code, field string) (int, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		return 0, &tenant.Fault{Kind: tenant.Invalid, Code: code, Field: field}
	}
	return int(n), nil
}

// readPartners takes names as people write lists: by line, comma or blank.
func readPartners(text string) ([]tenant.Domain, error) {
	var list []tenant.Domain
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) }) {
		domain, err := tenant.ParseDomain(name)
		if err != nil {
			return nil, &tenant.Fault{Kind: tenant.Invalid, Code: "settings.partner", Field: "partners", Params: map[string]string{"name": name}}
		}
		list = append(list, domain)
	}
	return list, nil
}

// engineName is what people call an engine; proper names, the same in every language.
func engineName(name tenant.EngineName) string {
	switch name {
	case tenant.Synapse:
		return "Synapse"
	case tenant.Dendrite:
		return "Dendrite"
	default:
		return string(name)
	}
}
