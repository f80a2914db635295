package controlplane

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hafen/tenant"
)

// Announcements is words of a server's owner to all of its members, or to some.
type Announcements struct{ Store AnnouncementStore }

// AnnouncementStore keeps announcements.
type AnnouncementStore interface {
	ServerFinder
	// CreateAnnouncement records an announcement with its recipients, its operation and what the log says. One whose id is there
	// already is left as it is. Faults: status.not_active, announce.busy while another one is being sent, announce.nobody when
	// none of the recipients is a member with an open account.
	CreateAnnouncement(ctx context.Context, actor Actor, a NewAnnouncement) error
	// FindAnnouncement finds one of a server: the Fault announce.unknown when it has none of that id.
	FindAnnouncement(ctx context.Context, id tenant.ID, announcement string) (Announcement, error)
	ListAnnouncements(ctx context.Context, id tenant.ID, page int) (AnnouncementPage, error)
	// SearchRecipients lists members with an open account whose name has the text in it, and how many there are in all.
	SearchRecipients(ctx context.Context, id tenant.ID, search string, most int) (found []Recipient, total int, err error)
}

// NewAnnouncement is one to be sent.
type NewAnnouncement struct {
	ID     string // drawn by whoever shows the form, so that a form sent twice is one announcement
	Tenant tenant.ID
	Text   string
	To     []tenant.Localpart // nobody in it: everybody
}

// Announcement is one that was sent, or is being sent.
type Announcement struct {
	ID           string
	Actor        string // address
	Text         string
	Everybody    bool
	Total        int
	Sent, Failed int
	Finished     bool
	Code         string // why it was given up as a whole
	CreatedAt    time.Time
	FinishedAt   *time.Time
	Unreached    []Unreached // the first hundred; only of a single one
}

// Unreached is somebody an announcement did not reach.
type Unreached struct {
	Localpart tenant.Localpart
	Code      string
}

// AnnouncementPage is a page of them, newest first.
type AnnouncementPage struct {
	Announcements []Announcement
	Total         int
}

// Recipient is somebody who can be written to.
type Recipient struct {
	Localpart   tenant.Localpart
	DisplayName string
}

const (
	// AnnouncementMax is how long a text may be, in characters. An event has at most 65,536 bytes (Matrix specification, "Size
	// limits"); nobody reads a tenth of that.
	AnnouncementMax = 5000
	// RecipientsMax is how many can be chosen one by one; a form has room for more, a person has not.
	RecipientsMax = 200
	// AnnouncementsPerPage is how many past ones a page shows.
	AnnouncementsPerPage = 20
)

// Check gives the text and the recipients as they would be sent. Faults: announce.empty, announce.long, announce.nobody.
func (a *Announcements) Check(text string, everybody bool, to []string) (string, []tenant.Localpart, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	switch {
	case text == "":
		return text, nil, &tenant.Fault{Kind: tenant.Invalid, Code: "announce.empty", Field: "text"}
	case utf8.RuneCountInString(text) > AnnouncementMax:
		return text, nil, &tenant.Fault{Kind: tenant.Invalid, Code: "announce.long", Field: "text"}
	case strings.ContainsFunc(text, control):
		return text, nil, &tenant.Fault{Kind: tenant.Invalid, Code: "announce.control", Field: "text"}
	case everybody:
		return text, nil, nil
	}
	var people []tenant.Localpart
	for _, one := range to {
		if who, err := tenant.ParseLocalpart(one); err == nil && !slices.Contains(people, who) {
			people = append(people, who)
		}
	}
	switch {
	case len(people) == 0:
		return text, nil, &tenant.Fault{Kind: tenant.Invalid, Code: "announce.nobody", Field: "to"}
	case len(people) > RecipientsMax:
		return text, nil, &tenant.Fault{Kind: tenant.Invalid, Code: "announce.many", Field: "to"}
	}
	return text, people, nil
}

// Send records an announcement; the control plane sends it, and Find tells how far it is. The same id twice is one announcement.
func (a *Announcements) Send(ctx context.Context, actor Actor, id tenant.ID, announcement, text string, everybody bool, to []string) error {
	if _, err := authorize(ctx, a.Store, actor, id, ManageContent); err != nil {
		return err
	}
	text, people, err := a.Check(text, everybody, to)
	if err != nil {
		return err
	}
	if !announcementID.MatchString(announcement) {
		return errNoAnnouncement()
	}
	return a.Store.CreateAnnouncement(ctx, actor, NewAnnouncement{ID: announcement, Tenant: id, Text: text, To: people})
}

// Find gives one announcement, with those it did not reach.
func (a *Announcements) Find(ctx context.Context, actor Actor, id tenant.ID, announcement string) (Announcement, error) {
	if _, err := authorize(ctx, a.Store, actor, id, ManageContent); err != nil {
		return Announcement{}, err
	}
	if !announcementID.MatchString(announcement) {
		return Announcement{}, errNoAnnouncement()
	}
	return a.Store.FindAnnouncement(ctx, id, announcement)
}

// List gives a page of them, newest first; the first page is 1.
func (a *Announcements) List(ctx context.Context, actor Actor, id tenant.ID, page int) (AnnouncementPage, error) {
	if _, err := authorize(ctx, a.Store, actor, id, ManageContent); err != nil {
		return AnnouncementPage{}, err
	}
	return a.Store.ListAnnouncements(ctx, id, page)
}

// Recipients finds people to write to, and says how many there are in all.
func (a *Announcements) Recipients(ctx context.Context, actor Actor, id tenant.ID, search string) ([]Recipient, int, error) {
	if _, err := authorize(ctx, a.Store, actor, id, ManageContent); err != nil {
		return nil, 0, err
	}
	return a.Store.SearchRecipients(ctx, id, strings.TrimSpace(search), 20)
}

func errNoAnnouncement() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "announce.unknown"} }

// announcementID is a UUID as PostgreSQL writes it.
var announcementID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
