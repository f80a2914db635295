package gallery

import (
	"time"

	"hafen/templates"
)

func settingsEntries() []Entry {
	c := templates.Customer
	values := map[string]string{
		"federation": "list", "partners": "school.example\ntown.example", "push": "yes", "encryption": "yes", "language": "de",
		"name": "Werft am See", "welcome": "Moin und willkommen an Bord.", "support_email": "hilfe@werft.example",
	}
	all := settings(values, templates.SettingsChange{
		Actor: "anna@werft.example", Changed: []string{"federation", "partners"}, At: now, Restart: true, Outcome: "applied", Away: 2400 * time.Millisecond,
	})
	running := settings(values, templates.SettingsChange{Actor: "anna@werft.example", Changed: []string{"previews"}, At: now, Restart: true, Outcome: "running"})
	back := settings(values, templates.SettingsChange{
		Actor: "anna@werft.example", Changed: []string{"retention_days"}, At: now, Restart: true, Outcome: "rolled_back", Away: 14 * time.Second,
	})
	island := settings(map[string]string{"federation": "off", "language": "en"})
	island.Plan.Federation, island.Able = false, templates.SettingsAble{Engine: "Dendrite"}
	reader := settings(values)
	reader.Writable = false
	mistake := settings(values)
	mistake.Form = wrong(values, map[string]string{"retention_days": "settings.retention", "support_page": "settings.page"})
	return []Entry{
		page(c, "settings", of(templates.SettingsPage, all)),
		page(c, "settings-running", of(templates.SettingsPage, running)),
		page(c, "settings-rolled-back", of(templates.SettingsPage, back)),
		page(c, "settings-island", of(templates.SettingsPage, island)),
		page(c, "settings-read-only", of(templates.SettingsPage, reader)),
		mistaken(c, "settings-errors", of(templates.SettingsPage, mistake)),
	}
}

func settings(values map[string]string, changes ...templates.SettingsChange) templates.Settings {
	return templates.Settings{
		Server: server(templates.StatusActive), Form: templates.Form{Values: values}, Writable: true, Changes: changes,
		Able: templates.SettingsAble{Engine: "Synapse", Previews: true, Retention: true, Directory: true, Encryption: true, OutboundList: true},
		Plan: templates.SettingsPlan{Federation: true, FederationOpen: true, UploadBytes: 100_000_000},
	}
}
