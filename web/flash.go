package web

import (
	"encoding/base64"
	"net/http"
	"time"

	"hafen/templates"
)

// Cookies beside the session's. All are host-only, so that a tenant on a name below ours can neither read nor set them.
const (
	flashCookie    = "__Host-hafen-flash"
	languageCookie = "__Host-hafen-language"
	sentCookie     = "__Host-hafen-sent" // where the last mail went, for the page that says so
	halfCookie     = "__Host-hafen-half" // a login whose second step is still to come
	planCookie     = "__Host-hafen-plan" // the plan a visitor chose before signing up
)

// flash names a message about what was just done: `flash.<code>` in the message files.
type flash string

// The messages. A cookie holds the code alone, so nobody can put words of their own into our page.
const (
	flashLoggedOut        flash = "logged_out"
	flashMailSent         flash = "mail_sent"
	flashPasswordChanged  flash = "password_changed"
	flashPasswordReset    flash = "password_reset"
	flashLanguageChanged  flash = "language_changed"
	flashSessionEnded     flash = "session_ended"
	flashSessionsEnded    flash = "sessions_ended"
	flashOrderCancelled   flash = "order_cancelled"
	flashPlanChanged      flash = "plan_changed"
	flashPlanBooked       flash = "plan_booked"
	flashPlanUnbooked     flash = "plan_unbooked"
	flashPlanPending      flash = "plan_pending"
	flashPlanGivenUp      flash = "plan_given_up"
	flashPlanCancelled    flash = "plan_cancelled"
	flashPlanResumed      flash = "plan_resumed"
	flashServerDeleted    flash = "server_deleted"
	flashServerRestored   flash = "server_restored"
	flashMemberChanged    flash = "member_changed"
	flashMemberPending    flash = "member_pending"
	flashServerSuspended  flash = "server_suspended"
	flashServerResumed    flash = "server_resumed"
	flashServerRetried    flash = "server_retried"
	flashOrderPaid        flash = "order_paid"
	flashDomainChecking   flash = "domain_checking"
	flashAppAdded         flash = "app_added"
	flashPasskeyAdded     flash = "passkey_added"
	flashPasskeyRenamed   flash = "passkey_renamed"
	flashTwoStepRemoved   flash = "twostep_removed"
	flashTwoStepReset     flash = "twostep_reset"
	flashEmailRestored    flash = "email_restored"
	flashSettingsSaved    flash = "settings_saved"
	flashUnchanged        flash = "settings_unchanged"
	flashLogoSaved        flash = "logo_saved"
	flashInviteSent       flash = "colleague_invited"
	flashInviteWithdrawn  flash = "colleague_withdrawn"
	flashRoleChanged      flash = "role_changed"
	flashRoleRemoved      flash = "colleague_removed"
	flashRoleChangedEnded flash = "role_changed_ended"
	flashLeftEnded        flash = "server_left_ended"
	flashRoleRemovedEnded flash = "colleague_removed_ended"
	flashRoomDeleted      flash = "room_deleted"
	flashRoomDeleting     flash = "room_deleting"
	flashMediaDeleted     flash = "media_deleted"
	flashMediaDeleting    flash = "media_deleting"
	flashMediaPending     flash = "media_pending"
	flashNoneChosen       flash = "none_chosen"
	flashQuarantined      flash = "quarantined"
	flashReleased         flash = "released"
	flashJoined           flash = "colleague_joined"
	flashLeft             flash = "server_left"
	flashMembersSynced    flash = "members_synced"
	flashMembersSyncing   flash = "members_syncing"
	flashMembersBegun     flash = "members_begun"
	flashMembersRefused   flash = "members_refused"
	flashMembersNone      flash = "members_none"
	flashMemberForgotten  flash = "member_forgotten"
	flashMemberLinkSent   flash = "member_link_sent"
	flashInviteTakenBack  flash = "invite_withdrawn"
	flashPlanSaved        flash = "plan_saved"
	flashSaleUnchanged    flash = "sale_unchanged"
	flashSaleHidden       flash = "sale_hidden"
	flashSaleShown        flash = "sale_shown"
	flashOwnSaved         flash = "own_saved"
	flashOwnWithdrawn     flash = "own_withdrawn"
	flashServersMoved     flash = "servers_moved"
	flashAddonSaved       flash = "addon_saved"
	flashCouponSaved      flash = "coupon_saved"
	flashCouponWithdrawn  flash = "coupon_withdrawn"
	flashInvoicePaid      flash = "invoice_paid"
	flashInvoiceVoided    flash = "invoice_voided"
	flashBillingSaved     flash = "billing_saved"
	flashDunningPaused    flash = "dunning_paused"
)

var tones = map[flash]templates.Tone{
	flashPlanBooked: templates.ToneGood, flashPlanUnbooked: templates.ToneGood, flashPlanPending: templates.ToneInfo, flashPlanGivenUp: templates.ToneNeutral,
	flashPlanCancelled: templates.ToneWarn, flashPlanResumed: templates.ToneGood,
	flashRoomDeleted: templates.ToneGood, flashRoomDeleting: templates.ToneInfo, flashMediaDeleted: templates.ToneGood,
	flashMediaDeleting: templates.ToneInfo, flashMediaPending: templates.ToneInfo, flashNoneChosen: templates.ToneWarn,
	flashQuarantined: templates.ToneGood, flashReleased: templates.ToneGood,
	flashLoggedOut: templates.ToneNeutral, flashMailSent: templates.ToneInfo, flashPasswordChanged: templates.ToneGood,
	flashPasswordReset: templates.ToneGood, flashLanguageChanged: templates.ToneGood, flashSessionEnded: templates.ToneGood,
	flashSessionsEnded: templates.ToneGood, flashOrderCancelled: templates.ToneNeutral, flashPlanChanged: templates.ToneGood,
	flashServerDeleted: templates.ToneWarn, flashServerRestored: templates.ToneGood, flashMemberChanged: templates.ToneGood,
	flashMemberPending: templates.ToneInfo, flashServerSuspended: templates.ToneWarn, flashServerResumed: templates.ToneGood,
	flashServerRetried: templates.ToneInfo, flashOrderPaid: templates.ToneGood, flashDomainChecking: templates.ToneInfo,
	flashAppAdded: templates.ToneGood, flashPasskeyAdded: templates.ToneGood, flashPasskeyRenamed: templates.ToneGood,
	flashTwoStepRemoved: templates.ToneInfo, flashTwoStepReset: templates.ToneGood,
	flashEmailRestored: templates.ToneGood,
	flashSettingsSaved: templates.ToneGood, flashUnchanged: templates.ToneNeutral, flashLogoSaved: templates.ToneGood,
	flashInviteSent: templates.ToneGood, flashInviteWithdrawn: templates.ToneNeutral, flashRoleChanged: templates.ToneGood,
	flashRoleChangedEnded: templates.ToneInfo, flashRoleRemovedEnded: templates.ToneInfo, flashLeftEnded: templates.ToneInfo,
	flashRoleRemoved: templates.ToneNeutral, flashJoined: templates.ToneGood, flashLeft: templates.ToneNeutral,
	flashMembersSynced: templates.ToneGood, flashMembersSyncing: templates.ToneInfo, flashMembersBegun: templates.ToneInfo,
	flashMembersRefused: templates.ToneWarn, flashMembersNone: templates.ToneWarn, flashMemberForgotten: templates.ToneGood,
	flashMemberLinkSent: templates.ToneGood, flashInviteTakenBack: templates.ToneNeutral,
	flashPlanSaved: templates.ToneGood, flashSaleUnchanged: templates.ToneNeutral, flashSaleHidden: templates.ToneWarn,
	flashSaleShown: templates.ToneGood, flashOwnSaved: templates.ToneGood, flashOwnWithdrawn: templates.ToneNeutral,
	flashServersMoved: templates.ToneGood, flashAddonSaved: templates.ToneGood, flashCouponSaved: templates.ToneGood,
	flashCouponWithdrawn: templates.ToneNeutral,
	flashInvoicePaid:     templates.ToneGood, flashInvoiceVoided: templates.ToneWarn, flashBillingSaved: templates.ToneGood, flashDunningPaused: templates.ToneInfo,
}

// done leads on and leaves a message for the next page.
func (r *request) done(to string, message flash) error {
	r.setCookie(flashCookie, string(message), time.Minute)
	return r.redirect(to)
}

func (r *request) takeFlash() *templates.Flash {
	cookie, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	r.dropCookie(flashCookie)
	tone, known := tones[flash(cookie.Value)]
	if !known {
		return nil
	}
	return &templates.Flash{Tone: tone, Code: cookie.Value}
}

// setCookie keeps a small thing in the browser. Secure also in trial mode over http: browsers take *.localhost for secure.
func (r *request) setCookie(name, value string, lifetime time.Duration) {
	r.SetCookie(&http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(lifetime.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (r *request) dropCookie(name string) {
	r.SetCookie(&http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// remember keeps words somebody typed for the page after the redirect; they are nobody else's, and not trusted.
func (r *request) remember(name, words string) {
	r.setCookie(name, base64.RawURLEncoding.EncodeToString([]byte(words)), 10*time.Minute)
}

func (r *request) remembered(name string) string {
	cookie, err := r.Cookie(name)
	if err != nil || len(cookie.Value) > 500 {
		return ""
	}
	words, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || !readable(string(words)) {
		return ""
	}
	return string(words)
}
