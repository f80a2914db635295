package templates

import (
	"net/url"
	"strconv"
	"time"
)

// The parts of /servers/{id}/media.
const (
	MediaPeoplePart = "people"
	MediaFilesPart  = "files"
	MediaRemotePart = "remote"
)

// MediaFrame is what the pages about files have in common.
type MediaFrame struct {
	Server  Server
	Part    string
	Parts   []string // that the engine can fill
	Storage Storage
	Problem string // `error.<Problem>`: why there is no list
	Again   string // address to ask again at
	Work    Deletions
	// What the engine can do.
	CanDelete, CanQuarantine, CanPurge bool
}

// MediaPeople is /servers/{id}/media: who stored how much.
type MediaPeople struct {
	MediaFrame
	List  []MediaPerson
	Pager Pager
}

// MediaPerson is one person.
type MediaPerson struct {
	Localpart, DisplayName string
	Files, Bytes           int64
}

// MediaFiles is /servers/{id}/media/files. Query: owner, page. The chosen files (field file) are sent to …/media/delete with GET,
// which asks once more; …/media/{file}/quarantine and …/release are posted.
type MediaFiles struct {
	MediaFrame
	Owner string
	List  []MediaFile
	Pager Pager
}

// MediaFile is one file. What is in it is nobody's business but its owner's.
type MediaFile struct {
	ID, Name, Type, Owner string
	Bytes                 int64
	CreatedAt, SeenAt     time.Time
	Quarantined           bool
}

// MediaDelete is /servers/{id}/media/delete: the files chosen, and what deleting them frees. Posted to the same address.
type MediaDelete struct {
	Server Server
	Files  []MediaFile
	Owner  string
	Page   int
}

// MediaRemote is /servers/{id}/media/remote: copies of other servers' files. Field: days; posted to the same address.
type MediaRemote struct {
	MediaFrame
	Counts []RemoteCount
	Most   int64 // that is kept
}

// RemoteCount is what removing copies frees that nobody asked for in some days.
type RemoteCount struct {
	Days         int
	Files, Bytes int64
}

// Bytes is what deleting all of them frees.
func (vm MediaDelete) Bytes() int64 {
	var sum int64
	for _, f := range vm.Files {
		sum += f.Bytes
	}
	return sum
}

// FilesURL is the list of somebody's files, or everybody's.
func FilesURL(server, owner string, page int) string {
	query := url.Values{}
	if owner != "" {
		query.Set("owner", owner)
	}
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	address := string(mediaURL(server, "/files"))
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

func mediaParts(l Locale, vm MediaFrame) []entry {
	all := map[string]entry{
		MediaPeoplePart: {string(mediaURL(vm.Server.ID, "")), l.T("media.part.people"), MediaPeoplePart},
		MediaFilesPart:  {string(mediaURL(vm.Server.ID, "/files")), l.T("media.part.files"), MediaFilesPart},
		MediaRemotePart: {string(mediaURL(vm.Server.ID, "/remote")), l.T("media.part.remote"), MediaRemotePart},
	}
	list := make([]entry, 0, len(vm.Parts))
	for _, part := range vm.Parts {
		list = append(list, all[part])
	}
	return list
}

// most is the largest of a page: the list has it first.
func (vm MediaPeople) most() int64 {
	var most int64 = 1
	for _, p := range vm.List {
		most = max(most, p.Bytes)
	}
	return most
}

// fileName is what a file is called; clients that encrypt leave the name away.
func fileName(l Locale, f MediaFile) string {
	if f.Name == "" {
		return l.T("media.unnamed")
	}
	return f.Name
}

func fileAction(server string, f MediaFile) string {
	action := "/quarantine"
	if f.Quarantined {
		action = "/release"
	}
	return string(mediaURL(server, "/"+url.PathEscape(f.ID)+action))
}

func fileActionWord(l Locale, f MediaFile) string {
	if f.Quarantined {
		return l.T("media.release")
	}
	return l.T("media.quarantine")
}

// mediaHint says how to make room with what the engine can do.
func mediaHint(l Locale, vm MediaFrame) string {
	if vm.CanDelete {
		return l.T("media.hint.delete")
	}
	return l.T("media.hint.people")
}

func dateOr(l Locale, t time.Time, other string) string {
	if t.IsZero() {
		return other
	}
	return l.Date(t)
}
