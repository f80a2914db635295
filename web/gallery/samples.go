package gallery

import (
	"fmt"
	"math"
	"time"

	"hafen/templates"
	"hafen/templates/i18n"
)

// now is the moment all samples are made at, so that screenshots do not change from day to day.
var now = time.Date(2026, 11, 22, 9, 24, 0, 0, time.UTC)

const (
	gigabyte   = 1_000_000_000
	baseName   = "hafen.example"
	retryAfter = 90 * time.Second
)

func price(net int64) templates.Price {
	vat := (net*19 + 50) / 100
	return templates.Price{Net: net, VAT: vat, Gross: net + vat, VATPercent: 19, Currency: "EUR"}
}

var (
	basic = templates.Plan{
		ID: "basic", Slug: "basic", Name: "Basic", Description: "Für Familien und kleine Teams", Price: price(400), Seats: 5, StorageBytes: 20 * gigabyte,
		Engine: templates.EngineDendrite,
	}
	advanced = templates.Plan{
		ID: "advanced", Slug: "advanced", Name: "Advanced", Description: "Für Vereine und Betriebe", Price: price(600), Seats: 20, StorageBytes: 50 * gigabyte,
		Federation: templates.FederationOpen, Engine: templates.EngineDendrite,
	}
	allIn = templates.Plan{
		ID: "all-in", Slug: "all-in", Name: "All-in", Description: "Für Schulen und Kommunen", Price: price(1400), Seats: 50, StorageBytes: 250 * gigabyte,
		Federation: templates.FederationOpen, Engine: templates.EngineDendrite,
	}
	plans = []templates.Plan{basic, advanced, allIn}
)

// wrong makes a form with what was typed and the codes of what is wrong, by field.
func wrong(values map[string]string, codes map[string]string) templates.Form {
	f := templates.Form{Values: values, Errors: map[string]templates.Problem{}}
	for field, code := range codes {
		f.Errors[field] = templates.Problem{Code: code}
	}
	return f
}

func failureName(status int) string { return fmt.Sprintf("failure-%d", status) }

var sessions = []templates.Session{
	{ID: "s1", Device: "Firefox, Linux", Address: "203.0.113.7", LastSeen: now, CreatedAt: now.Add(-48 * time.Hour), Current: true},
	{ID: "s2", Device: "Safari, iPhone", Address: "2001:db8:4c1:90:a8f2:77ff:fe21:9d04", LastSeen: now.Add(-26 * time.Hour)},
	{ID: "s3", Address: "198.51.100.42", LastSeen: now.Add(-190 * time.Hour)},
}

var certificate = templates.TrialCertificate{
	DownloadURL: "/trial/ca.pem",
	Fingerprint: "3F:8A:91:0C:5D:27:BE:44:61:F0:A3:12:98:7B:D5:EE:20:C4:6F:13:85:7A:D9:02:B6:3E:F7:48:1D:90:AC:55",
	NotAfter:    now.AddDate(10, 0, 0),
	FileName:    "hafen-trial-ca.pem",
}

// server is one in a status.
func server(status string) templates.Server {
	return templates.Server{
		ID: "t7k2m9", Name: "werft.example", Host: "matrix.werft.example", OwnDomain: true, Status: status, Plan: advanced,
		CreatedAt: now.AddDate(0, -2, 0), Pages: pages, Engine: templates.Engine{Name: "Synapse", Version: "1.163.2", Support: "current"},
	}
}

// pages are those an owner may open, of a server whose engine can do all.
var pages = []string{
	templates.PageOverview, templates.PageMembers, templates.PageRooms, templates.PageMedia, templates.PageNotices, templates.PageSettings,
	templates.PageColleagues, templates.PagePlan, templates.PageBills, templates.PageReady,
	templates.PageDomain, templates.PageDelete,
}

// history is thirty days of slow growth with a weekly rhythm.
func history() []templates.StoragePoint {
	var list []templates.StoragePoint
	for hour := range 30 * 4 {
		day := float64(hour) / 4
		list = append(list, templates.StoragePoint{
			At:       now.Add(time.Duration(hour-119) * 6 * time.Hour),
			Database: int64((1.1 + 0.03*day) * gigabyte),
			Media:    int64((6 + 0.28*day + 0.6*math.Sin(day*2*math.Pi/7)) * gigabyte),
		})
	}
	return list
}

func storage(used, limit int64) templates.Storage {
	return templates.Storage{
		Database: used / 7, Media: used - used/7, Remote: 3 * gigabyte / 2, Limit: limit, Floor: limit + limit/4 + gigabyte, MeasuredAt: now.Add(-3 * time.Minute), History: history(),
	}
}

// trialMails are all our mails in German.
func trialMails() []templates.TrialMail {
	var list []templates.TrialMail
	for i, m := range mails(i18n.For("de")) {
		list = append(list, templates.TrialMail{
			ID: fmt.Sprint(i), At: now.Add(-time.Duration(i) * 7 * time.Minute), To: "anna@werft.example",
			Subject: m.mail.Subject, Text: m.mail.Text, HTMLURL: "/de/mail-" + m.name,
		})
	}
	return list
}
