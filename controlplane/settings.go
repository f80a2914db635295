package controlplane

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	_ "image/jpeg" // the two kinds of pictures that the standard library reads, and every browser shows
	_ "image/png"
	"reflect"
	"slices"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Settings is how a customer chooses what their server does, within its plan and what its engine can.
//
// A change is recorded and made true by the reconcile loop. What the homeserver reads only at its start needs a restart; if
// the server does not come up healthy with it, the loop goes back to the settings it was last healthy with, and says so.
type Settings struct{ SettingsConfig }

// SettingsConfig is what Settings needs.
type SettingsConfig struct {
	Store   SettingsStore
	Engines map[tenant.EngineName]homeserver.Description
}

// SettingsStore keeps settings.
type SettingsStore interface {
	ServerFinder
	// ChangeSettings records the settings, wakes the tenant and writes the audit entry. A change that has not ended yet is
	// superseded. Faults: status.not_active for a server that is not active, settings.changed when Seen is of other settings than
	// there are by now.
	ChangeSettings(ctx context.Context, c NewSettings) error
	ListSettingsChanges(ctx context.Context, id tenant.ID, most int) ([]SettingsChange, error)
	SetLogo(ctx context.Context, actor Actor, id tenant.ID, logo Logo) error
	FindLogo(ctx context.Context, id tenant.ID) (Logo, error)
}

// NewSettings is a change to record.
type NewSettings struct {
	Actor   Actor
	Tenant  tenant.ID
	Before  tenant.Settings // as the plan allowed them
	After   tenant.Settings // as the plan allows them
	Wanted  tenant.Settings // as they are kept, for the plan may change
	Restart bool            // the homeserver must be started anew
	Seen    string          // the SettingsSeen that was changed; "" when it does not matter
	// Language is that of invitations, mails and notices: "de" or "en".
	LanguageBefore, Language string
}

// SettingsChange is one change, and how it went.
type SettingsChange struct {
	Actor      string
	Changed    []string // names of the settings, as in their JSON
	Restart    bool
	CreatedAt  time.Time
	FinishedAt *time.Time
	Away       *time.Duration // how long the server did not answer; nil when it always did
	Outcome    string         // "" while it is being made true; "applied", "rolled_back", "superseded"
}

// Logo is a server's picture. The zero Logo is none.
type Logo struct {
	Type  string // MIME
	Image []byte
}

// MaxLogo is the largest logo, in bytes; MostLogoPixels the longest side.
const (
	MaxLogo        = 256 << 10
	MostLogoPixels = 2048
)

// NewSettingsUse makes Settings.
func NewSettingsUse(c SettingsConfig) *Settings { return &Settings{c} }

// Changes lists the latest changes, newest first.
func (s *Settings) Changes(ctx context.Context, actor Actor, id tenant.ID) ([]SettingsChange, error) {
	if _, err := authorize(ctx, s.Store, actor, id, See); err != nil {
		return nil, err
	}
	return s.Store.ListSettingsChanges(ctx, id, 10)
}

// SettingsSeen stands for settings that somebody was shown in a form. The form sends all of them, and must not put back what
// somebody else has changed meanwhile.
func SettingsSeen(s tenant.Settings, language string) string {
	content, err := json.Marshal(struct {
		tenant.Settings
		Language string
	}{s, language})
	if err != nil {
		panic("controlplane: settings of plain values cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// Change sets the settings in place of those seen; changed is false when they were so already. Faults: those of
// [tenant.Settings.Check], settings.unsupported for what the engine cannot do, and those of [SettingsStore].
func (s *Settings) Change(ctx context.Context, actor Actor, id tenant.ID, wanted tenant.Settings, language, seen string) (changed bool, err error) {
	server, err := authorize(ctx, s.Store, actor, id, ManageSettings)
	if err != nil {
		return false, err
	}
	if err := wanted.Check(server.Quota); err != nil {
		return false, err
	}
	if language != "de" && language != "en" {
		return false, &tenant.Fault{Kind: tenant.Invalid, Code: "settings.language", Field: "language"}
	}
	slices.Sort(wanted.Partners)
	wanted.Partners = slices.Compact(wanted.Partners)
	if err := s.supported(server, wanted); err != nil {
		return false, err
	}
	now := wanted.Within(server.Quota)
	if reflect.DeepEqual(now, server.Settings) && language == server.Language {
		return false, nil
	}
	return true, s.Store.ChangeSettings(ctx, NewSettings{
		Actor: actor, Tenant: id, Before: server.Settings, After: now, Wanted: wanted, Restart: server.Settings.Restarts(now),
		LanguageBefore: server.Language, Language: language, Seen: seen,
	})
}

// supported refuses what somebody newly asks of an engine that cannot do it.
func (s *Settings) supported(server Server, wanted tenant.Settings) error {
	about, now := s.Engines[server.Engine], server.Settings
	for _, ask := range []struct {
		needs homeserver.Capability
		field string
		asked bool
	}{
		{homeserver.URLPreviews, "previews", wanted.Previews && !now.Previews},
		{homeserver.Retention, "retention_days", wanted.RetentionDays != 0 && wanted.RetentionDays != now.RetentionDays},
		{homeserver.RoomDirectory, "directory", wanted.Directory != now.Directory},
		{homeserver.DefaultEncryption, "encryption", wanted.Encryption != now.Encryption},
	} {
		if ask.asked && !about.Supports(ask.needs) {
			return &tenant.Fault{Kind: tenant.Invalid, Code: "settings.unsupported", Field: ask.field}
		}
	}
	return nil
}

// SetLogo sets the server's picture; an empty one removes it. Faults: logo.large, logo.kind, logo.pixels.
func (s *Settings) SetLogo(ctx context.Context, actor Actor, id tenant.ID, content []byte) error {
	if _, err := authorize(ctx, s.Store, actor, id, ManageSettings); err != nil {
		return err
	}
	logo, err := readLogo(content)
	if err != nil {
		return err
	}
	return s.Store.SetLogo(ctx, actor, id, logo)
}

// Logo gives the server's picture to anybody: it is shown to people who are not members yet.
func (s *Settings) Logo(ctx context.Context, id tenant.ID) (Logo, error) {
	return s.Store.FindLogo(ctx, id)
}

// readLogo accepts what is a picture by its content, whatever its name says, and is small enough to be decoded by every phone.
func readLogo(content []byte) (Logo, error) {
	invalid := func(code string) (Logo, error) {
		return Logo{}, &tenant.Fault{Kind: tenant.Invalid, Code: code, Field: "logo"}
	}
	switch {
	case len(content) == 0:
		return Logo{}, nil
	case len(content) > MaxLogo:
		return invalid("logo.large")
	}
	config, kind, err := image.DecodeConfig(bytes.NewReader(content))
	switch {
	case err != nil:
		return invalid("logo.kind")
	case config.Width > MostLogoPixels || config.Height > MostLogoPixels || config.Width == 0 || config.Height == 0:
		return invalid("logo.pixels")
	}
	return Logo{Type: "image/" + kind, Image: content}, nil
}

// BlamesSettings reports whether a failure is one that the server's own configuration can cause, so that a change of it
// which is under way is taken back. A crash gets a second chance: homeservers have been seen to fall over once when restarted.
func BlamesSettings(c Claim, f *tenant.Failure) bool {
	switch f.Code {
	case "server_silent", "server_out_of_memory":
		return true
	case "server_crashed":
		return c.Failures > 0
	default:
		return false // the engine is absent, the disk is full: other settings would not help
	}
}
