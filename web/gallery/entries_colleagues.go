package gallery

import "hafen/templates"

func colleagueEntries() []Entry {
	c := templates.Customer
	some := colleagues()
	some.People = []templates.Colleague{
		{ID: "1", Email: "ben@werft.example", Role: "administrator", Since: now.AddDate(0, -2, 0)},
		{
			ID: "3", Email: "dora@werft.example", Role: "member_manager", Since: now.AddDate(0, -1, 0),
			Passwords: []string{"@emil:werft.example", "@frieda:werft.example"}, Invites: []string{"", "Gustav Groß", "h@werft.example", "Ida", "Jonas", "Karl", "Lotte"},
		},
		{ID: "2", Email: "buchhaltung@werft.example", Role: "billing", Since: now.AddDate(0, -1, 0)},
	}
	some.Invites = []templates.ColleagueInvite{{Email: "cara@werft.example", Role: "member_manager", ExpiresAt: now.AddDate(0, 0, 7)}}
	mistake := colleagues()
	mistake.Form = wrong(map[string]string{"email": "ben", "role": "billing"}, map[string]string{"email": "email.invalid"})
	offer := templates.Join{
		State: templates.LinkOpen, ServerName: "werft.example", Role: "member_manager", InvitedBy: "anna@werft.example",
		Email: "cara@werft.example", Token: "t", Mine: true,
	}
	other := offer
	other.Mine = false
	return []Entry{
		page(c, "colleagues", of(templates.ColleaguesPage, some)),
		page(c, "colleagues-none", of(templates.ColleaguesPage, colleagues())),
		mistaken(c, "colleagues-errors", of(templates.ColleaguesPage, mistake)),
		page(c, "join", of(templates.JoinPage, offer)),
		page(c, "join-other-address", of(templates.JoinPage, other)),
		page(c, "join-expired", of(templates.JoinPage, templates.Join{State: templates.LinkExpired})),
	}
}

func colleagues() templates.Colleagues {
	return templates.Colleagues{
		Server: server(templates.StatusActive), Owner: "anna@werft.example",
		Roles: []string{"administrator", "member_manager", "billing", "read_only"},
	}
}
