package synapse

import (
	"strconv"

	"hafen/tenant"
)

// noticesAccount writes server notices. Synapse needs no row for it among the accounts, so it is in no list; its name is of
// those no member can have.
const noticesAccount tenant.Localpart = "hafen-notices"

func configureRooms(spec tenant.Spec) roomSettings {
	r := roomSettings{
		Encryption:    "off",
		DirectoryOpen: spec.Settings.Directory,
		Publication:   []rule{{Action: "deny"}},
		// What nobody can see any more need not be kept.
		ForgetOnLeave: true, ForgottenAfter: "28d",
		// The server's own name says in every language whose words these are.
		Notices: serverNotices{
			Localpart: noticesAccount, DisplayName: string(spec.ServerName), RoomName: string(spec.ServerName), AutoJoin: true,
		},
		MaxEventDelay: "24h", // Element Call ends a call of a client that is gone with a delayed event (MSC4140)
	}
	if spec.Settings.Encryption {
		r.Encryption = "invite"
	}
	if spec.Settings.Directory {
		r.Publication = []rule{{Action: "allow"}}
	}
	if spec.Settings.RetentionDays > 0 {
		days := strconv.Itoa(spec.Settings.RetentionDays) + "d"
		r.Retention = retention{
			Enabled: true, DefaultPolicy: &policy{Max: days},
			// A room may keep less, never more.
			AllowedMin: "1d", AllowedMax: days,
			PurgeJobs: []retentionJob{{Interval: "12h"}},
		}
	}
	return r
}

func configurePrivacy(spec tenant.Spec) privacySettings {
	return privacySettings{
		// Off, as with Dendrite: who sits at their machine when is more than a server need tell everybody they share a room
		// with, and no customer has asked for it (GDPR article 25, data protection by default). Switched on it costs nothing
		// while all are quiet.
		Presence:         presence{Enabled: false},
		ProfilesNeedAuth: true,
		AddressesKept:    "7d",
		// Everybody here is of one school or company: they find each other before they share a room.
		Directory: userDirectory{Enabled: true, SearchAll: true, PreferLocal: true},
		// What was said does not pass the gateways of phone makers; clients fetch it.
		Push: push{Enabled: spec.Settings.Push, IncludeContent: false},
	}
}

// limits let a school class do at once, from one address, what Synapse's defaults take for an attack: log in, be invited to
// a room, join it.
func limits() rateLimits {
	return rateLimits{
		Message: rate{1, 30},
		Login: map[string]rate{
			"address":         {1, 100},
			"account":         {0.1, 10},
			"failed_attempts": {0.05, 5}, // of one account; guessing stays hopeless
		},
		Joins:        map[string]rate{"local": {1, 50}, "remote": {0.05, 20}},
		JoinsPerRoom: rate{5, 100},
		Invites:      map[string]rate{"per_room": {2, 100}, "per_user": {0.1, 20}, "per_issuer": {2, 100}},
		RoomCreation: rate{0.1, 30},
	}
}
