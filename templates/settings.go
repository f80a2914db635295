package templates

import "time"

// Settings is the page on which a customer chooses what their server does.
type Settings struct {
	Server Server
	Form   Form // values as in the form; errors of the last try
	Able   SettingsAble
	Plan   SettingsPlan
	// LogoURL is the server's picture, "" for none.
	LogoURL  string
	LogoForm Form
	Changes  []SettingsChange
	Writable bool
}

// SettingsAble says what the engine can do; the rest is explained.
type SettingsAble struct {
	Engine                                                   string
	Previews, Retention, Directory, Encryption, OutboundList bool
}

// SettingsPlan is what the plan allows.
type SettingsPlan struct {
	Federation     bool // with servers that are named
	FederationOpen bool // with all
	UploadBytes    int64
}

// SettingsChange is one line of the history. Outcome is a code (`settings.outcome.<code>`), "running" while it is made true.
type SettingsChange struct {
	Actor   string
	Changed []string // names (`settings.field.<name>`)
	At      time.Time
	Restart bool
	Away    time.Duration // zero: it always answered
	Outcome string
}

// running is the change that is being made true, nil when there is none.
func (s Settings) running() *SettingsChange {
	if len(s.Changes) > 0 && s.Changes[0].Outcome == "running" {
		return &s.Changes[0]
	}
	return nil
}

// rolledBack is the last change when it failed.
func (s Settings) rolledBack() *SettingsChange {
	if len(s.Changes) > 0 && s.Changes[0].Outcome == "rolled_back" {
		return &s.Changes[0]
	}
	return nil
}

func outcomeTone(outcome string) Tone {
	switch outcome {
	case "applied":
		return ToneGood
	case "rolled_back":
		return ToneBad
	case "running":
		return ToneInfo
	default:
		return ToneNeutral
	}
}

func changeNames(l Locale, names []string) string {
	text := ""
	for i, name := range names {
		if i > 0 {
			text += ", "
		}
		text += l.Coded("settings.field", name, nil)
	}
	return text
}

// settingsFields lists all fields, for the summary of what is wrong.
func settingsFields(l Locale, vm Settings) []field {
	fields := []field{
		{Name: "federation", ID: "federation-off", Label: l.T("settings.federation")},
		{Name: "partners", Label: l.T("settings.partners")},
		{Name: "encryption", Label: l.T("settings.encryption")},
		{Name: "directory", Label: l.T("settings.directory")},
		{Name: "previews", Label: l.T("settings.previews")},
		retentionField(l), uploadField(l, vm.Plan), serverTitleField(l),
		{Name: "welcome", Label: l.T("settings.welcome")},
	}
	return append(fields, supportFields(l)...)
}

func retentionField(l Locale) field {
	return field{
		Name: "retention_days", Label: l.T("settings.retention"), Help: l.T("settings.retention.help"),
		InputMode: "numeric", MaxLength: "4", Optional: true, Suffix: l.T("settings.days"),
	}
}

func uploadField(l Locale, plan SettingsPlan) field {
	return field{
		Name: "upload_bytes", Label: l.T("settings.upload"), Help: l.T("settings.upload.help", "Most", l.Bytes(plan.UploadBytes)),
		InputMode: "numeric", MaxLength: "6", Optional: true, Suffix: "MB",
	}
}

func serverTitleField(l Locale) field {
	return field{Name: "name", Label: l.T("settings.name"), Help: l.T("settings.name.help"), MaxLength: "60", Optional: true}
}

func supportFields(l Locale) []field {
	return []field{
		{Name: "support_email", Label: l.T("settings.support.email"), Type: "email", InputMode: "email", MaxLength: "254", Optional: true},
		{Name: "support_matrix_id", Label: l.T("settings.support.matrix_id"), Placeholder: "@support:example.org", MaxLength: "255", Optional: true},
		{Name: "support_page", Label: l.T("settings.support.page"), Type: "url", InputMode: "url", Placeholder: "https://", MaxLength: "500", Optional: true},
	}
}
