package templates

import (
	"net/url"
	"strconv"
	"time"
)

// Whom a word is for.
const (
	AudienceAll  = "all"
	AudienceSome = "some"
)

// AnnouncementMax is how many characters a text may have.
const AnnouncementMax = 5000

// Announce is /servers/{id}/notices: the form for a word to all, and what was sent before. Fields: text, audience, to (many), search;
// and what is wanted, do: search, preview. Posted to the same address.
type Announce struct {
	Server  Server
	Members int // with an open account
	Form    Form
	Picker  Picker
	Past    []Announcement
	Pager   Pager
	Stopped string // `error.<Stopped>`: why nothing can be sent now
}

// Picker finds people to write to.
type Picker struct {
	ServerID string
	Search   string
	Chosen   []Person
	Found    []Person // not chosen yet
}

// Person is somebody in the picker.
type Person struct{ Localpart, DisplayName string }

// AnnouncePreview shows the word as it will look. Fields: as Announce, id, and do: send, edit.
type AnnouncePreview struct {
	Server   Server
	ID       string // a form sent twice is one announcement
	Text     string
	Language string // of the server
	Audience string
	To       []string // with AudienceSome
	Count    int
	Form     Form
}

// Announcement is one word, sent or on its way. It is /servers/{id}/notices/{notice}.
type Announcement struct {
	ServerID     string
	ID           string
	Text         string
	Language     string
	Actor        string
	Everybody    bool
	Total        int
	Sent, Failed int
	State        string // WorkOpen, WorkDone, WorkFailed
	Failure      string // `error.<Failure>` when it was given up as a whole
	At           time.Time
	Unreached    []Unreached
}

// AnnouncementDetail is its page.
type AnnouncementDetail struct {
	Server Server
	Announcement
}

// Unreached is somebody it did not reach: `error.<Code>`.
type Unreached struct{ Localpart, Code string }

func (a Announcement) url(end string) string {
	return string(noticesURL(a.ServerID, "/"+url.PathEscape(a.ID)+end))
}

func (a Announcement) share() float64 { return share(int64(a.Sent+a.Failed), int64(a.Total)) }

func announcementState(l Locale, a Announcement) string {
	switch {
	case a.State == WorkFailed:
		return l.Error(a.Failure, nil)
	case a.State == WorkOpen:
		return l.T("notices.sending", "Done", a.Sent+a.Failed, "Count", a.Total)
	case a.Failed > 0:
		return l.T("notices.sent_some", "Done", a.Sent, "Count", a.Total, "Failed", a.Failed)
	default:
		return l.T("notices.sent", "Count", a.Sent)
	}
}

func announcementTone(a Announcement) Tone {
	switch {
	case a.State == WorkFailed:
		return ToneBad
	case a.State == WorkOpen:
		return ToneInfo
	case a.Failed > 0:
		return ToneWarn
	default:
		return ToneGood
	}
}

func announcementIcon(a Announcement) string {
	if a.State == WorkOpen {
		return "clock"
	}
	return toneIcon(announcementTone(a))
}

func announcementAudience(l Locale, a Announcement) string {
	if a.Everybody {
		return l.T("notices.to.all")
	}
	return l.T("notices.to.some", "Count", a.Total)
}

// excerpt is the beginning of a text, for a list.
func excerpt(text string) string {
	const most = 120
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	return string(letters[:most]) + " …"
}

// NoticesPageURL is a page of what was sent before.
func NoticesPageURL(server string, page int) string {
	address := string(noticesURL(server, ""))
	if page > 1 {
		address += "?page=" + strconv.Itoa(page)
	}
	return address
}

// announcementRefresh is how a browser without scripts sees how far it is.
func announcementRefresh(a Announcement) string {
	if a.State == WorkOpen {
		return "3"
	}
	return ""
}
