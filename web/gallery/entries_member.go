package gallery

import (
	"fmt"
	"time"

	"hafen/templates"
)

// able is an engine that can do everything with members.
var able = templates.Abilities{Deactivate: true, Reactivate: true, Erase: true, Admin: true, Lock: true, Devices: true, SignOut: true, List: true}

func memberEntries() []Entry {
	c := templates.Customer
	searched, many, reader, added, mistake, full := membersPage(), membersPage(), membersPage(), membersPage(), membersPage(), membersPage()
	searched.Query.Search, searched.List, searched.Total = "xaver", nil, 0
	many.Total, many.Counts[""], many.Query.Page = 10_000, 10_000, 7
	many.Pager = templates.Pager{Page: 7, Pages: 200, Total: 10_000, Prev: many.URL(templates.MemberQuery{Page: 6}), Next: many.URL(templates.MemberQuery{Page: 8})}
	reader.Manage = false
	added.Result = &templates.MemberResult{MatrixID: "@dora:werft.example", Password: "kahn-mast-tau-luke-42", Code: "create"}
	mistake.Form = wrong(map[string]string{"localpart": "Dora!", "password_mode": "own"}, map[string]string{
		"localpart": "member.letters", "password": "password.member_short",
	})
	full.Seats = templates.Seats{Used: 20, Limit: 20}
	s := server(templates.StatusActive)
	list := []Entry{
		page(c, "members", of(templates.MembersPage, membersPage())),
		page(c, "members-none", of(templates.MembersPage, searched)),
		page(c, "members-many", of(templates.MembersPage, many)),
		page(c, "members-reader", of(templates.MembersPage, reader)),
		page(c, "members-full", of(templates.MembersPage, full)),
		page(c, "members-added", of(templates.MembersPage, added)),
		mistaken(c, "members-errors", of(templates.MembersPage, mistake)),
		page(c, "members-bulk", of(templates.BulkConfirmPage, templates.BulkConfirm{Server: s, Action: "deactivate", Members: members()[:3]})),
		page(c, "members-links", of(templates.MemberTokensPage, templates.MemberTokens{Server: s, Back: "/servers/t7k2m9/members", Links: []templates.MemberToken{
			{MatrixID: "@anna:werft.example", URL: setPasswordURL}, {MatrixID: "@bjoern:werft.example", URL: setPasswordURL + "x"},
		}})),
	}
	return append(append(append(list, oneMemberEntries()...), inviteEntries()...), importEntries()...)
}

const setPasswordURL = "https://hafen.example/set-password?token=Zr8mQ4vX1pYk0sJc9bTnZr8mQ4vX1pYk0sJc9bTnZr8"

func membersPage() templates.Members {
	return templates.Members{
		Server: server(templates.StatusActive), Seats: templates.Seats{Used: 8, Limit: 20}, List: members(), Total: 8, Query: templates.MemberQuery{Sort: "name", Page: 1},
		Counts:   map[string]int{"": 8, "active": 6, "deactivated": 2, "locked": 1, "admin": 1, "pending": 1, "attention": 2},
		SyncedAt: now.Add(-4 * time.Minute), Able: able, Manage: true,
	}
}

func members() []templates.Member {
	created := now.AddDate(0, -2, 0)
	member := func(localpart, name, state string) templates.Member {
		return templates.Member{
			Localpart: localpart, MatrixID: "@" + localpart + ":werft.example", DisplayName: name, State: state, CreatedAt: created,
			SeenAt: now.Add(-time.Duration(len(localpart)) * 7 * time.Hour), MediaBytes: int64(len(localpart)) * 13_700_000,
		}
	}
	anna, cem, dora := member("anna", "Anna Berg", templates.MemberActive), member("cem.yildiz-schiffsbau", "", templates.MemberPending), member("dora", "Dora", templates.MemberFailed)
	anna.First, anna.Admin = true, true
	cem.Operation, dora.Operation, dora.Failure = "set_password", "reactivate", "server.unavailable"
	dora.SeenAt = time.Time{}
	locked := member("fiete", "Fiete Harms", templates.MemberLocked)
	locked.Locked = true
	return []templates.Member{
		anna, member("bjoern", "Björn Kühne", templates.MemberActive), cem, dora, member("emil", "Emil Lund", templates.MemberDeactivated), locked,
		member("greta", "", templates.MemberErased), member("hauke", "Hauke Haien, Deichgraf von Nordstrand und Umgebung", templates.MemberMissing),
	}
}

func oneMember(m templates.Member) templates.OneMember {
	s := server(templates.StatusActive)
	return templates.OneMember{
		Server: s, Member: m, Able: able, Manage: true,
		Devices: &templates.Devices{Server: s, Localpart: m.Localpart, Manage: true, List: devices},
	}
}

func oneMemberEntries() []Entry {
	c, list := templates.Customer, members()
	linked, generated, erasing, mailing, reader, limited := oneMember(list[1]), oneMember(list[1]), oneMember(list[1]), oneMember(list[1]), oneMember(list[1]), oneMember(list[4])
	linked.Result = &templates.MemberResult{MatrixID: "@bjoern:werft.example", LinkURL: setPasswordURL, Code: "link"}
	generated.Result = &templates.MemberResult{MatrixID: "@bjoern:werft.example", Password: "kahn-mast-tau-luke-42", Code: "set_password"}
	erasing.Erase = wrong(map[string]string{"name": "bjorn"}, map[string]string{"name": "member.name_differs"})
	mailing.Mail = wrong(map[string]string{"email": "bjoern@werft"}, map[string]string{"email": "email.invalid"})
	reader.Manage = false
	reader.Devices = &templates.Devices{Server: reader.Server, Localpart: "bjoern", List: devices}
	limited.Able = templates.Abilities{Deactivate: true}
	silent := oneMember(list[0])
	silent.Devices = &templates.Devices{Server: silent.Server, Localpart: "anna", Failure: "server.unavailable", Manage: true}
	nowhere := oneMember(list[0])
	nowhere.Devices = &templates.Devices{Server: nowhere.Server, Localpart: "anna", Manage: true}
	asking := oneMember(list[1])
	asking.Devices = nil
	entries := []Entry{
		page(c, "member", of(templates.MemberPage, oneMember(list[0]))),
		page(c, "member-asking", of(templates.MemberPage, asking)),
		page(c, "member-nowhere", of(templates.MemberPage, nowhere)),
		page(c, "member-link", of(templates.MemberPage, linked)),
		page(c, "member-generated", of(templates.MemberPage, generated)),
		mistaken(c, "member-erase-errors", of(templates.MemberPage, erasing)),
		mistaken(c, "member-mail-errors", of(templates.MemberPage, mailing)),
		page(c, "member-reader", of(templates.MemberPage, reader)),
		page(c, "member-limited", of(templates.MemberPage, limited)),
		page(c, "member-silent", of(templates.MemberPage, silent)),
	}
	for _, m := range list[3:] {
		entries = append(entries, page(c, "member-"+m.State, of(templates.MemberPage, oneMember(m))))
	}
	return entries
}

var devices = []templates.Device{
	{ID: "KXQZWMNTBD", Name: "Element Desktop: Linux", Address: "203.0.113.7", Agent: "Mozilla/5.0 Element/1.12", SeenAt: now.Add(-11 * time.Minute)},
	{ID: "PHONE", Name: "FluffyChat Android", Address: "2001:db8:4c1:90:a8f2:77ff:fe21:9d04", SeenAt: now.AddDate(0, 0, -3)},
	{ID: "UNNAMEDSESSION"},
}

func inviteEntries() []Entry {
	c, v := templates.Customer, templates.Visitor
	invites := func() templates.Invites {
		return templates.Invites{
			Server: server(templates.StatusActive), Seats: templates.Seats{Used: 8, Limit: 20}, Days: []int{1, 3, 7, 30}, Manage: true,
			List: []templates.Invite{
				{ID: "i1", Email: "ida@werft.example", DisplayName: "Ida Petersen", InvitedBy: "anna@werft.example", ExpiresAt: now.AddDate(0, 0, 5)},
				{ID: "i2", InvitedBy: "anna@werft.example", ExpiresAt: now.AddDate(0, 0, 1)},
				{ID: "i3", Email: "jan@werft.example", InvitedBy: "anna@werft.example", ExpiresAt: now.AddDate(0, 0, -2), Expired: true},
			},
		}
	}
	made, empty, mistake, full, reader := invites(), invites(), invites(), invites(), invites()
	made.LinkURL, made.SentTo = "https://hafen.example/invite?token=Zr8mQ4vX1pYk0sJc9bTnZr8mQ4vX1pYk0sJc9bTnZr8", "ida@werft.example"
	empty.List, reader.Manage = nil, false
	mistake.Form = wrong(map[string]string{"email": "ida@", "localpart": "hafen-x"}, map[string]string{"email": "email.invalid", "localpart": "member.reserved"})
	full.Seats.Used = 20
	paged := invites()
	paged.Pager = templates.Pager{Page: 2, Pages: 3, Total: 103, Prev: "#", Next: "#"}
	list := []Entry{
		page(c, "invites-pages", of(templates.InvitesPage, paged)),
		page(c, "invites", of(templates.InvitesPage, invites())),
		page(c, "invites-made", of(templates.InvitesPage, made)),
		page(c, "invites-empty", of(templates.InvitesPage, empty)),
		page(c, "invites-full", of(templates.InvitesPage, full)),
		page(c, "invites-reader", of(templates.InvitesPage, reader)),
		mistaken(c, "invites-errors", of(templates.InvitesPage, mistake)),
	}
	invitation := func(state templates.InvitationState) templates.Invitation {
		return templates.Invitation{
			State: state, Token: "t", ServerName: "werft.example", Title: "Werft Nordstrand", Welcome: "Schön, dass Sie da sind.\nFragen? Anna sitzt im Kontor.",
			MatrixID: "@ida:werft.example", HomeserverURL: "https://matrix.werft.example",
		}
	}
	taken := invitation(templates.InvitationOpen)
	taken.Form = wrong(map[string]string{"localpart": "anna", "display_name": "Ida Petersen"}, map[string]string{"localpart": "member.exists"})
	list = append(list, mistaken(v, "invitation-errors", of(templates.InvitationPage, taken)))
	for _, state := range []templates.InvitationState{templates.InvitationOpen, templates.InvitationWaiting, templates.InvitationDone} {
		list = append(list, page(v, "invitation-"+string(state), of(templates.InvitationPage, invitation(state))))
	}
	for _, state := range []templates.InvitationState{
		templates.InvitationUsed, templates.InvitationExpired, templates.InvitationWithdrawn, templates.InvitationInvalid, templates.InvitationClosed, templates.InvitationFull,
	} {
		list = append(list, mistaken(v, "invitation-"+string(state), of(templates.InvitationPage, invitation(state))))
	}
	return list
}

func importEntries() []Entry {
	c, s := templates.Customer, server(templates.StatusActive)
	done := templates.Import{ID: "m1", FileName: "Klasse 7b.csv", CreatedAt: now.Add(-time.Hour), Actor: "anna@werft.example", Total: 500, Done: 498, Failed: 2, Mailed: 460, Unlinked: 38}
	done.Failures = []templates.ImportRow{{Line: 17, Name: "jan", Code: "member.exists"}, {Line: 212, Name: "tom", Code: "password.long"}}
	running := done
	running.Done, running.Failed, running.Failures, running.Unlinked = 180, 0, nil, 0
	form := templates.ImportForm{Server: s, Seats: templates.Seats{Used: 8, Limit: 20}, Imports: []templates.Import{done}}
	mistake := form
	mistake.Form = wrong(nil, map[string]string{"file": "import.encoding"})
	tight := importPreview(s)
	tight.Free = 2
	return []Entry{
		page(c, "import", of(templates.ImportPage, form)),
		mistaken(c, "import-errors", of(templates.ImportPage, mistake)),
		page(c, "import-preview", of(templates.ImportPreviewPage, importPreview(s))),
		page(c, "import-preview-full", of(templates.ImportPreviewPage, tight)),
		page(c, "import-running", of(templates.ImportProgressPage, templates.ImportProgress{Server: s, Import: running, Manage: true})),
		page(c, "import-done", of(templates.ImportProgressPage, templates.ImportProgress{Server: s, Import: done, Manage: true})),
	}
}

func importPreview(s templates.Server) templates.ImportPreview {
	vm := templates.ImportPreview{Server: s, ID: "p1", FileName: "Klasse 7b.csv", Total: 240, Good: 8, Mails: 6, Free: 12}
	for i, code := range []string{"import.duplicate", "member.exists", "member.letters", "email.invalid"} {
		vm.Rows = append(vm.Rows, templates.ImportRow{Line: 3 + 7*i, Name: []string{"ida", "anna", "Jörg Ähm", "kim"}[i], DisplayName: "Ida Petersen", Email: "ida@werft", Code: code})
	}
	for i := range 8 {
		vm.Rows = append(vm.Rows, templates.ImportRow{Line: 40 + i, Name: fmt.Sprintf("schueler%d", i), DisplayName: "Schülerin Nummer " + fmt.Sprint(i), Email: fmt.Sprintf("s%d@schule.example", i)})
	}
	return vm
}
