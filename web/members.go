package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// How the password of a new member is chosen.
const passwordOwn = "own"

func membersPath(id tenant.ID) string { return serverPath(id) + "/members" }

// memberSorts are the orders of the list by their names in the address.
var memberSorts = map[string]controlplane.MemberQuery{
	"name": {}, "seen": {Sort: "seen", Descending: true}, "unseen": {Sort: "seen"}, "storage": {Sort: "storage", Descending: true},
	"newest": {Sort: "created", Descending: true}, "oldest": {Sort: "created"},
}

// showMembers is the list; for htmx its live part.
func (s *Server) showMembers(r *request) error {
	vm, err := s.membersView(r)
	if err != nil {
		return err
	}
	// A page that htmx restores from its history is a page, though it asks for it itself.
	if r.htmx() && r.Request().Header.Get("HX-History-Restore-Request") != "true" {
		return r.ok(templates.MembersList(r.locale, vm))
	}
	return r.ok(templates.MembersPage(s.page(r), vm))
}

func (s *Server) membersView(r *request) (templates.Members, error) {
	shown := templates.MemberQuery{
		Search: firstLetters(strings.TrimSpace(r.QueryParam("q")), 100), State: r.QueryParam("state"), Sort: r.QueryParam("sort"), Page: 1,
	}
	if !slices.Contains(templates.MemberFilters, shown.State) {
		shown.State = ""
	}
	query, known := memberSorts[shown.Sort]
	if !known {
		shown.Sort = "name"
	}
	// More pages than a plan has seats for are nobody's.
	if n, err := strconv.Atoi(r.QueryParam("page")); err == nil && n > 1 && n < 100_000 {
		shown.Page = n
	}
	query.Search, query.State, query.Page = shown.Search, shown.State, shown.Page
	page, err := s.Members.Search(r.ctx(), r.actor(), r.server.ID, query)
	if err != nil {
		return templates.Members{}, err
	}
	vm := templates.Members{
		Server: s.serverView(r, r.server), Seats: seatsView(r.server), Query: shown, Total: page.Total, Counts: page.ByState,
		SyncedAt: moment(page.SyncedAt), Able: s.abilities(r.server), Manage: manages(r.server),
	}
	for _, m := range page.Members {
		vm.List = append(vm.List, memberView(m))
	}
	vm.Pager = memberPager(vm)
	return vm, nil
}

func memberPager(vm templates.Members) templates.Pager {
	pages := (vm.Total + controlplane.MembersPerPage - 1) / controlplane.MembersPerPage
	p := templates.Pager{Page: vm.Query.Page, Pages: pages, Total: vm.Total}
	at := func(n int) string {
		q := vm.Query
		q.Page = n
		return vm.URL(q)
	}
	if p.Page > 1 {
		p.Prev = at(min(p.Page-1, max(pages, 1)))
	}
	if p.Page < pages {
		p.Next = at(p.Page + 1)
	}
	return p
}

// manages reports whether whoever asks may change members, and the server can take it.
func manages(server controlplane.Server) bool {
	return server.Role.May(controlplane.ManageMembers) && writable(server)
}

func (s *Server) abilities(server controlplane.Server) templates.Abilities {
	can := func(c homeserver.Capability) bool { return s.can(server, c) }
	return templates.Abilities{
		Deactivate: can(homeserver.Deactivate), Reactivate: can(homeserver.Reactivate), Erase: can(homeserver.Erase), Admin: can(homeserver.SetAdmin),
		Lock: can(homeserver.Lock), Devices: can(homeserver.ListDevices), SignOut: can(homeserver.SignOut), List: can(homeserver.ListAccounts),
	}
}

func memberView(m controlplane.Member) templates.Member {
	view := templates.Member{
		Localpart: string(m.Localpart), MatrixID: m.UserID, DisplayName: m.DisplayName, First: m.Admin, Admin: m.ServerAdmin, Locked: m.Locked,
		State: templates.MemberActive, CreatedAt: m.CreatedAt, SeenAt: moment(m.SeenAt), MediaBytes: m.MediaBytes,
	}
	if m.Pending == "" && m.State == "reserved" {
		m.Pending = controlplane.OperationCreate
	}
	if m.Pending != "" {
		view.State, view.Operation = templates.MemberPending, string(m.Pending)
		return view
	}
	// A failure is told beside the state: what can be done about it hangs on the state.
	view.Operation, view.Failure = string(m.FailedKind), m.Failed
	switch {
	case m.MissingAt != nil:
		view.State = templates.MemberMissing
	case m.Erased && m.State == "deactivated":
		view.State = templates.MemberErased
	case m.State == "deactivated":
		view.State = templates.MemberDeactivated
	case m.Failed != "":
		view.State = templates.MemberFailed
	case m.Locked:
		view.State = templates.MemberLocked
	}
	return view
}

func (s *Server) addMember(r *request) error {
	in, err := r.form("localpart", "display_name", "password_mode")
	if err != nil {
		return err
	}
	n := controlplane.NewMember{Localpart: in.get("localpart"), DisplayName: in.get("display_name")}
	if in.get("password_mode") == passwordOwn {
		n.Password = in.get("password")
		if n.Password == "" {
			// Empty would ask for a generated one, and this person wanted to choose.
			return s.addAnswer(r, in, controlplane.MemberResult{}, &tenant.Fault{Kind: tenant.Invalid, Code: "password.member_short", Field: "password"})
		}
	}
	result, err := s.Members.Add(r.ctx(), r.actor(), r.server.ID, n)
	return s.addAnswer(r, in, result, err)
}

// addAnswer shows the members after somebody was added, and a generated password. The password is in this answer alone, never
// in an address, a cookie or a row that can be read; so there is no redirect.
func (s *Server) addAnswer(r *request, in input, result controlplane.MemberResult, err error) error {
	form, wrong := in.wrong(err)
	if err != nil && !wrong {
		return err
	}
	if !wrong && result.Password == "" {
		return r.done(membersPath(r.server.ID), memberFlash(result.Done))
	}
	// Seats have changed since the server was loaded.
	if r.server, err = s.Servers.Find(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	vm, err := s.membersView(r)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if wrong {
		vm.Form, status = form, http.StatusUnprocessableEntity
	} else {
		vm.Result = memberResult(controlplane.OperationCreate, result)
	}
	return r.render(status, templates.MembersPage(at(s.page(r), membersPath(r.server.ID)), vm))
}

func memberResult(kind controlplane.OperationKind, result controlplane.MemberResult) *templates.MemberResult {
	code := string(kind)
	if !result.Done {
		code = "pending"
	}
	return &templates.MemberResult{MatrixID: result.UserID, Password: result.Password, Code: code}
}

func memberFlash(done bool) flash {
	if done {
		return flashMemberChanged
	}
	return flashMemberPending
}

// refreshMembers holds the list against the homeserver's own.
func (s *Server) refreshMembers(r *request) error {
	_, done, err := s.Members.Sync(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	if !done {
		return r.done(membersPath(r.server.ID), flashMembersSyncing)
	}
	return r.done(membersPath(r.server.ID), flashMembersSynced)
}

// What can be done to several members at once.
const (
	bulkDeactivate = "deactivate"
	bulkSignOut    = "sign_out"
	bulkLinks      = "links"
)

// bulkMembers asks once more what is to be done to several members, and then does it.
func (s *Server) bulkMembers(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	who := slices.Compact(slices.Sorted(slices.Values(in.values["who"])))
	action := in.get("action")
	if !slices.Contains([]string{bulkDeactivate, bulkSignOut, bulkLinks}, action) {
		return r.redirect(membersPath(r.server.ID))
	}
	if len(who) == 0 || len(who) > controlplane.MembersPerPage {
		return r.done(membersPath(r.server.ID), flashMembersNone)
	}
	switch {
	case in.get("confirmed") == "":
		return s.confirmBulk(r, action, who)
	case action == bulkLinks:
		return s.bulkTokens(r, who)
	}
	do := s.Members.BulkSignOut
	if action == bulkDeactivate {
		do = s.Members.BulkDeactivate
	}
	result, err := do(r.ctx(), r.actor(), r.server.ID, who)
	if err != nil {
		return err
	}
	if len(result.Refused) > 0 {
		return r.done(membersPath(r.server.ID), flashMembersRefused)
	}
	return r.done(membersPath(r.server.ID), flashMembersBegun)
}

func (s *Server) confirmBulk(r *request, action string, who []string) error {
	vm := templates.BulkConfirm{Server: s.serverView(r, r.server), Action: action}
	for _, localpart := range who {
		m, err := s.Members.Find(r.ctx(), r.actor(), r.server.ID, localpart)
		if err != nil {
			return err
		}
		vm.Members = append(vm.Members, memberView(m))
	}
	return r.ok(templates.BulkConfirmPage(at(s.page(r), membersPath(r.server.ID)), vm))
}

func (s *Server) bulkTokens(r *request, who []string) error {
	tokens, err := s.Members.BulkPasswordLinks(r.ctx(), r.actor(), r.server.ID, who)
	if tenant.FaultOf(err).Code == "member.unknown" && err != nil {
		return r.done(membersPath(r.server.ID), flashMembersRefused) // somebody among them has no account to log in to
	}
	if err != nil {
		return err
	}
	vm := templates.MemberTokens{Server: s.serverView(r, r.server), Back: membersPath(r.server.ID)}
	for _, t := range tokens {
		vm.Links = append(vm.Links, s.tokenView(t))
	}
	return r.ok(templates.MemberTokensPage(at(s.page(r), membersPath(r.server.ID)), vm))
}

func (s *Server) tokenView(t controlplane.MemberToken) templates.MemberToken {
	return templates.MemberToken{MatrixID: t.Member.UserID, URL: s.passwordURL(t.Token)}
}

func (s *Server) passwordURL(token string) string {
	return s.PublicURL + "/set-password?token=" + token
}

// exportMembers streams all members as CSV, one row of the database at a time.
func (s *Server) exportMembers(r *request) error {
	out, err := r.csv(string(r.server.ServerName)+"-members", templates.MembersCSVHead(r.locale))
	if err != nil {
		return err
	}
	err = s.Members.Export(r.ctx(), r.actor(), r.server.ID, func(m controlplane.Member) error {
		return out.Write(templates.MembersCSVRow(memberView(m)))
	})
	if err != nil {
		return err
	}
	return flush(out)
}

// csv begins an answer that is a file. Its mark at the beginning lets spreadsheets read it as UTF-8.
func (r *request) csv(name string, head []string) (*csv.Writer, error) {
	h := r.Response().Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.csv"`, name))
	r.Response().WriteHeader(http.StatusOK)
	if _, err := r.Response().Write([]byte("\uFEFF")); err != nil {
		return nil, fmt.Errorf("begin a file: %w", err)
	}
	out := csv.NewWriter(r.Response())
	out.Comma = templates.CSVSeparator(r.locale)
	return out, out.Write(head)
}

func flush(out *csv.Writer) error {
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write a file: %w", err)
	}
	return nil
}

// firstLetters shortens what somebody typed into an address.
func firstLetters(s string, most int) string {
	runes := []rune(s)
	return string(runes[:min(len(runes), most)])
}
