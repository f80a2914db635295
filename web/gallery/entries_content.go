package gallery

import (
	"time"

	"hafen/templates"
)

func contentEntries() []Entry {
	c := templates.Customer
	none := templates.Rooms{Server: server(templates.StatusActive), Sort: "name", Search: "Lotse"}
	silent := rooms()
	silent.List, silent.Pager, silent.Problem = nil, templates.Pager{}, "server.unavailable"
	list := []Entry{
		page(c, "rooms", of(templates.RoomsPage, rooms())),
		page(c, "rooms-none", of(templates.RoomsPage, none)),
		page(c, "rooms-silent", of(templates.RoomsPage, silent)),
		page(c, "room", of(templates.RoomPage, templates.RoomDetail{Server: server(templates.StatusActive), Room: roomList()[2], CanDelete: true})),
		page(c, "room-delete", of(templates.RoomPage, room(roomList()[0], templates.Form{}))),
		page(c, "room-small", of(templates.RoomPage, room(roomList()[1], templates.Form{}))),
		page(c, "room-notices", of(templates.RoomPage, room(roomList()[3], templates.Form{}))),
		page(c, "room-deleting", of(templates.RoomPage, room(roomList()[4], templates.Form{}))),
		page(c, "room-cannot-delete", of(templates.RoomPage, templates.RoomDetail{Server: server(templates.StatusActive), Room: roomList()[0]})),
		mistaken(c, "room-errors", of(templates.RoomPage, room(roomList()[0], wrong(map[string]string{"name": "Werft"}, map[string]string{"name": "room.typed_differs"})))),
	}
	return append(append(list, mediaEntries()...), announceEntries()...)
}

func roomList() []templates.Room {
	return []templates.Room{
		{ID: "!hTqYbVwKxLmNoPqRsT:werft.example", Name: "Alle zusammen", Alias: "#alle:werft.example", Version: "12", Members: 18, LocalMembers: 18, Events: 48_211, Encrypted: true},
		{ID: "!kJhGfDsAqWeRtZuIoP:werft.example", Version: "11", Members: 2, LocalMembers: 2, Events: 1_204, Encrypted: true},
		{ID: "!mNbVcXyLkJhGfDsAqW:matrix.example", Name: "Matrix Deutschland", Alias: "#deutschland:matrix.example", Version: "10", Members: 4_210, LocalMembers: 3, Events: 1_920_004, Federated: true, Public: true},
		{ID: "!pOiUzTrEwQaSdFgHjK:werft.example", Name: "Server-Mitteilungen", Version: "11", Members: 2, LocalMembers: 2, Events: 14, Notices: true},
		{ID: "!yXcVbNmLpOiUzTrEwQ:werft.example", Name: "Ein Raum mit einem sehr langen Namen, der nicht in eine Zeile passt und trotzdem lesbar bleiben muss", Alias: "#ein-raum-mit-einem-sehr-langen-namen:werft.example", Version: "11", Members: 9, LocalMembers: 7, Events: 812, Encrypted: true, Federated: true, Deleting: true},
	}
}

func rooms() templates.Rooms {
	return templates.Rooms{
		Server: server(templates.StatusActive), Sort: "members", List: roomList(), Total: 132,
		Pager: templates.Pager{Page: 2, Pages: 3, Prev: "/servers/t7k2m9/rooms", Next: "/servers/t7k2m9/rooms?page=3"},
		Work: templates.Deletions{URL: "#", Page: "#", List: []templates.Deletion{
			{Kind: "delete_room", State: templates.WorkOpen, Name: "Ein Raum mit einem sehr langen Namen, der nicht in eine Zeile passt und trotzdem lesbar bleiben muss", Count: 7, Actor: "anna@werft.example", At: now.Add(-time.Minute)},
			{Kind: "delete_room", State: templates.WorkDone, Name: "Altes Lager", Count: 1, Actor: "anna@werft.example", At: now.Add(-26 * time.Hour), Before: 1_310_000_000, After: 1_190_000_000},
			{Kind: "delete_room", State: templates.WorkFailed, Failure: "room.unknown", Name: "!kJhGfDsAqWeRtZuIoP:werft.example", Count: 2, Actor: "bjoern@werft.example", At: now.Add(-50 * time.Hour)},
		}},
	}
}

func room(r templates.Room, form templates.Form) templates.RoomDetail {
	vm := templates.RoomDetail{Server: server(templates.StatusActive), Room: r, CanDelete: true, Asking: true, Form: form}
	if r.LocalMembers > 2 || r.Notices {
		vm.Typed = r.Name
	}
	return vm
}

func mediaFrame(part string) templates.MediaFrame {
	taken := storage(43_800_000_000, 50*gigabyte)
	taken.Remote = 0 // copies are part of the files
	return templates.MediaFrame{
		Server: server(templates.StatusActive), Part: part, Parts: []string{templates.MediaPeoplePart, templates.MediaFilesPart, templates.MediaRemotePart},
		Storage: taken, Again: "#", CanDelete: true, CanQuarantine: true, CanPurge: true,
	}
}

func files() []templates.MediaFile {
	return []templates.MediaFile{
		{ID: "hTqYbVwKxLmNoPqRsTuVwXyZ", Name: "Stapellauf 2026.mp4", Type: "video/mp4", Owner: "bjoern", Bytes: 1_910_000_000, CreatedAt: now.AddDate(0, -1, -4), SeenAt: now.AddDate(0, 0, -3)},
		{ID: "kJhGfDsAqWeRtZuIoPaSdFgH", Type: "application/octet-stream", Owner: "anna", Bytes: 402_000_000, CreatedAt: now.AddDate(0, 0, -9)},
		{ID: "mNbVcXyLkJhGfDsAqWeRtZuI", Name: "ein-sehr-langer-dateiname-ohne-ein-einziges-leerzeichen-aber-mit-vielen-bindestrichen.zip", Type: "application/zip", Owner: "clara", Bytes: 96_400_000, CreatedAt: now.AddDate(-1, 0, 0), SeenAt: now.AddDate(0, -8, 0), Quarantined: true},
	}
}

func mediaEntries() []Entry {
	c := templates.Customer
	people := templates.MediaPeople{MediaFrame: mediaFrame(templates.MediaPeoplePart), List: []templates.MediaPerson{
		{Localpart: "bjoern", DisplayName: "Björn Kaiser", Files: 1204, Bytes: 21_300_000_000},
		{Localpart: "anna", DisplayName: "Anna Berg", Files: 812, Bytes: 9_700_000_000},
		{Localpart: "clara", Files: 14, Bytes: 96_400_000},
	}, Pager: templates.Pager{Page: 1, Pages: 2, Next: "#"}}
	list := templates.MediaFiles{MediaFrame: mediaFrame(templates.MediaFilesPart), List: files(), Pager: templates.Pager{Page: 1, Pages: 30, Next: "#"}}
	list.Work = templates.Deletions{URL: "#", Page: "#", List: []templates.Deletion{
		{Kind: "delete_media", State: templates.WorkOpen, Count: 12, Freed: 310_000_000, Expected: 820_000_000, Actor: "anna@werft.example", At: now.Add(-time.Minute)},
		{Kind: "purge_remote_media", State: templates.WorkLate, Days: 30, Expected: 3_400_000_000, Actor: "anna@werft.example", At: now.Add(-9 * time.Minute)},
		{Kind: "delete_media", State: templates.WorkDone, Count: 1, Freed: 1_200_000_000, Expected: 1_200_000_000, Actor: "anna@werft.example", At: now.Add(-26 * time.Hour), Before: 45_000_000_000, After: 43_800_000_000},
	}}
	one := list
	one.Owner, one.List, one.Work = "clara", files()[2:], templates.Deletions{}
	cannot := list
	cannot.CanDelete, cannot.CanQuarantine, cannot.CanPurge, cannot.Work = false, false, false, templates.Deletions{}
	cannot.Parts = cannot.Parts[:2]
	empty := templates.MediaPeople{MediaFrame: mediaFrame(templates.MediaPeoplePart)}
	empty.Storage = storage(0, 50*gigabyte)
	silent := people
	silent.Problem = "server.slow"
	remote := templates.MediaRemote{MediaFrame: mediaFrame(templates.MediaRemotePart), Most: 12_500_000_000, Counts: []templates.RemoteCount{
		{Days: 7, Files: 21_402, Bytes: 6_400_000_000}, {Days: 30, Files: 9_100, Bytes: 3_400_000_000}, {Days: 90, Files: 1, Bytes: 4_100_000}, {Days: 365},
	}}
	return []Entry{
		page(c, "media", of(templates.MediaPeoplePage, people)),
		page(c, "media-empty", of(templates.MediaPeoplePage, empty)),
		page(c, "media-silent", of(templates.MediaPeoplePage, silent)),
		page(c, "media-files", of(templates.MediaFilesPage, list)),
		page(c, "media-files-of-one", of(templates.MediaFilesPage, one)),
		page(c, "media-files-cannot", of(templates.MediaFilesPage, cannot)),
		page(c, "media-delete", of(templates.MediaDeletePage, templates.MediaDelete{Server: server(templates.StatusActive), Files: files(), Page: 1})),
		page(c, "media-remote", of(templates.MediaRemotePage, remote)),
	}
}

const word = "Liebe Kolleginnen und Kollegen,\n\nheute Abend ab 20 Uhr ist der Server für etwa zehn Minuten nicht erreichbar.\nFragen an anna@werft.example.\n\nDanke!"

func announcements() []templates.Announcement {
	a := templates.Announcement{
		ServerID: "t7k2m9", ID: "00000000-0000-4000-8000-000000000001", Text: word, Language: "de", Actor: "anna@werft.example", Everybody: true,
		Total: 18, Sent: 7, State: templates.WorkOpen, At: now.Add(-time.Minute),
	}
	done, some, failed := a, a, a
	done.State, done.Sent, done.At = templates.WorkDone, 18, now.AddDate(0, 0, -3)
	some.State, some.Sent, some.Failed, some.Everybody, some.Total, some.Text, some.At = templates.WorkDone, 3, 2, false, 5, "Bitte meldet euch bei mir.", now.AddDate(0, -1, 0)
	some.Unreached = []templates.Unreached{{Localpart: "clara", Code: "announce.left"}, {Localpart: "dora", Code: "announce.failed"}}
	failed.State, failed.Sent, failed.Failure = templates.WorkFailed, 0, "engine.unsupported"
	return []templates.Announcement{a, done, some, failed}
}

func announceEntries() []Entry {
	c := templates.Customer
	s := server(templates.StatusActive)
	all := announcements()
	write := templates.Announce{Server: s, Members: 18, Past: all, Picker: templates.Picker{ServerID: s.ID}, Pager: templates.Pager{Page: 1, Pages: 2, Next: "#"}}
	first := write
	first.Past, first.Pager = nil, templates.Pager{}
	some := write
	some.Form = templates.Form{Values: map[string]string{"text": word, "audience": templates.AudienceSome}}
	some.Picker = templates.Picker{ServerID: s.ID, Search: "k", Chosen: []templates.Person{{Localpart: "anna"}}, Found: []templates.Person{
		{Localpart: "bjoern", DisplayName: "Björn Kaiser"}, {Localpart: "klaus"}, {Localpart: "katharina.von-der-langen-werft", DisplayName: "Katharina"},
	}}
	mistake := some
	mistake.Picker = templates.Picker{ServerID: s.ID, Search: "xyz"}
	mistake.Form = wrong(map[string]string{"audience": templates.AudienceSome}, map[string]string{"text": "announce.empty", "to": "announce.nobody"})
	stopped := first
	stopped.Server, stopped.Stopped = server(templates.StatusAsleep), "status.not_active"
	preview := templates.AnnouncePreview{Server: s, ID: all[0].ID, Text: word, Language: "de", Audience: templates.AudienceAll, Count: 18}
	busy := preview
	busy.Form = wrong(nil, map[string]string{"": "announce.busy"})
	list := []Entry{
		page(c, "notices", of(templates.AnnouncePage, write)),
		page(c, "notices-first", of(templates.AnnouncePage, first)),
		page(c, "notices-some", of(templates.AnnouncePage, some)),
		page(c, "notices-stopped", of(templates.AnnouncePage, stopped)),
		mistaken(c, "notices-errors", of(templates.AnnouncePage, mistake)),
		page(c, "notices-preview", of(templates.AnnouncePreviewPage, preview)),
		mistaken(c, "notices-preview-busy", of(templates.AnnouncePreviewPage, busy)),
	}
	for i, name := range []string{"notice-sending", "notice-sent", "notice-some", "notice-failed"} {
		list = append(list, page(c, name, of(templates.AnnouncementPage, templates.AnnouncementDetail{Server: s, Announcement: all[i]})))
	}
	return list
}
