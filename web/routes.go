package web

import (
	"fmt"
	"net/http"
)

// route is one line of the table. Its fields are given without names, so a line that leaves one out does not compile.
type route struct {
	method string
	path   string
	access access
	nature nature
	handle handler
}

// nature is what kind of answer a route gives, what follows from it, and what it asks for beside access.
type nature int

const (
	page     nature = 0         // a whole page, or a redirect to one
	fragment nature = 1 << iota // a part of a page, for htmx
	stream                      // server-sent events: no end, no write timeout
	token                       // the address holds a link's secret
	costly                      // asked for while somebody types: a limit of its own
	file                        // its form may carry a file
	download                    // its answer is a file to keep
	quiet                       // asked for all the time: logged at debug only
	plain                       // neither host, nor session, nor limits: files and health
	machine                     // no browser sends it: neither session nor origin; its body is signed and read by its handler
	fresh                       // asks whoever has been logged in for a while to prove that it is still them
)

func (n nature) has(other nature) bool { return n&other != 0 }

func (r route) valid() error {
	if r.access < public || r.access > operator || r.handle == nil || r.method == "" || r.path == "" || r.nature.has(fresh) && r.access < signed {
		return fmt.Errorf("web: route %s %s is not complete", r.method, r.path)
	}
	return nil
}

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// routes is the table: all there is, with who may use it.
func (s *Server) routes() []route {
	return []route{
		{get, "/healthz", public, plain | quiet, s.health},
		{get, "/assets/*", public, plain | quiet, s.assets},
		{get, "/", public, page, s.showLanding},
		{get, "/terms", public, page, s.showLegal},
		{get, "/privacy", public, page, s.showLegal},
		{get, "/imprint", public, page, s.showLegal},
		{post, "/language", public, page, s.switchLanguage},

		{get, "/signup", visitor, page, s.showSignUp},
		{post, "/signup", visitor, page, s.signUp},
		{get, "/signup/sent", visitor, page, s.showSignUpSent},
		{post, "/signup/resend", public, page, s.resendVerification},
		{get, "/verify", public, token, s.showVerify},
		{post, "/verify", public, token, s.verify},
		{get, "/login", visitor, page, s.showLogin},
		{post, "/login", visitor, page, s.logIn},
		{post, "/login/passkey", visitor, page, s.logInByPasskey},
		{get, "/login/second", visitor, page, s.showSecond},
		{post, "/login/second", visitor, page, s.logInSecond},
		{post, "/logout", signed, page, s.logOut},
		{get, "/password/forgot", public, page, s.showForgot},
		{post, "/password/forgot", public, page, s.forgot},
		{get, "/password/reset", public, token, s.showReset},
		{post, "/password/reset", public, token, s.reset},
		{get, "/set-password", public, token, s.showSetPassword},
		{post, "/set-password", public, token, s.setPassword},
		{get, "/invite", public, token, s.showInvitation},
		{post, "/invite", public, token, s.acceptInvite},
		{get, "/invite/check", public, token | fragment | costly | quiet, s.checkInvited},
		{get, "/invite/state", public, token | fragment | quiet, s.showInvitationState},

		{get, "/account", signed, page, s.showAccount},
		{post, "/account/password", signed, page, s.changePassword},
		{get, "/account/reauthenticate", setup, page, s.showReauthenticate},
		{post, "/account/reauthenticate", setup, page, s.reauthenticate},
		{get, "/account/two-step", setup, page | fresh, s.showTwoStep},
		{get, "/account/two-step/app", setup, page | fresh, s.showAppSetup},
		{post, "/account/two-step/app", setup, page | fresh, s.addApp},
		{post, "/account/two-step/app/remove", setup, page | fresh, s.removeApp},
		{get, "/account/two-step/passkeys", setup, page | fresh, s.showNewPasskey},
		{post, "/account/two-step/passkeys", setup, page | fresh, s.addPasskey},
		{post, "/account/two-step/passkeys/:passkey/rename", setup, page | fresh, s.renamePasskey},
		{post, "/account/two-step/passkeys/:passkey/remove", setup, page | fresh, s.removePasskey},
		{post, "/account/two-step/codes", setup, page | fresh, s.renewCodes},
		{get, "/account/email", member, page | fresh, s.showEmail},
		{post, "/account/email", member, page | fresh, s.requestEmail},
		{get, "/email/confirm", public, token, s.showConfirmEmail},
		{post, "/email/confirm", public, token, s.confirmEmail},
		{get, "/email/undo", public, token, s.showUndoEmail},
		{post, "/email/undo", public, token, s.undoEmail},
		{post, "/account/language", member, page, s.changeLanguage},
		{get, "/account/bills", customer, page, s.showAccountBills},
		{get, "/account/billing", customer, page, s.showProfile},
		{post, "/account/billing", customer, page, s.saveProfile},
		{post, "/account/sessions/:session/end", member, page, s.endSession},
		{post, "/account/sessions/end-others", member, page, s.endOtherSessions},

		{get, "/order", customer, page, s.showPlans},
		{get, "/order/name", customer, page, s.showName},
		{post, "/order/name", customer, page, s.chooseName},
		{get, "/order/check", customer, fragment | costly | quiet, s.checkName},
		{get, "/order/confirm", customer, page, s.showConfirm},
		{post, "/order", customer, page, s.order},

		{get, "/servers", customer, page, s.showServers},
		{get, "/servers/:id", sees, page, s.showServer},
		{get, "/servers/:id/events", sees, stream, s.events},
		{get, "/servers/:id/payment", managesBilling, page, s.showPayment},
		{get, "/servers/:id/payment/state", managesBilling, fragment | quiet, s.showPaymentState},
		{post, "/servers/:id/payment", managesBilling, page, s.payOrder},
		{post, "/servers/:id/payment/cancel", managesBilling, page, s.cancelOrder},
		{get, "/servers/:id/domain", sees, page, s.showDomain},
		{post, "/servers/:id/domain/check", managesSettings, page, s.checkDomain},
		{get, "/servers/:id/ready", sees, page, s.showReady},
		{post, "/servers/:id/admin-link", appointsAdmins, page, s.makeAdminLink},
		{get, "/servers/:id/members", seesMembers, page, s.showMembers},
		{post, "/servers/:id/members", managesMembers, page, s.addMember},
		{get, "/servers/:id/members.csv", seesMembers, download, s.exportMembers},
		{post, "/servers/:id/members/refresh", managesMembers, page, s.refreshMembers},
		{post, "/servers/:id/members/bulk", managesMembers, page, s.bulkMembers},
		{get, "/servers/:id/members/invites", seesMembers, page, s.showInvites},
		{post, "/servers/:id/members/invites", managesMembers, page, s.makeInvite},
		{post, "/servers/:id/members/invites/:invite/renew", managesMembers, page, s.renewInvite},
		{post, "/servers/:id/members/invites/:invite/withdraw", managesMembers, page, s.withdrawInvite},
		{get, "/servers/:id/members/import", managesMembers, page, s.showImport},
		{post, "/servers/:id/members/import", managesMembers, file, s.readImport},
		{get, "/servers/:id/members/import/:preview", managesMembers, page, s.showPreview},
		{post, "/servers/:id/members/import/confirm", managesMembers, page, s.confirmImport},
		{get, "/servers/:id/members/imports/:import", seesMembers, page, s.showImported},
		{get, "/servers/:id/members/imports/:import/state", seesMembers, fragment | quiet, s.showImportState},
		{get, "/servers/:id/members/imports/:import/result.csv", seesMembers, download, s.downloadImport},
		{post, "/servers/:id/members/imports/:import/links", managesMembers, page, s.linkImported},
		{get, "/servers/:id/members/:localpart", seesMembers, page, s.showMember},
		{get, "/servers/:id/members/:localpart/devices", seesMembers, page, s.showDevices},
		{post, "/servers/:id/members/:localpart/sign-out", managesMembers, page, s.signOutMember},
		{post, "/servers/:id/members/:localpart/link", managesMembers, page, s.linkMember},
		{post, "/servers/:id/members/:localpart/link/mail", managesMembers, page, s.mailMemberLink},
		{post, "/servers/:id/members/:localpart/reset", managesMembers, page, s.resetMember},
		{post, "/servers/:id/members/:localpart/admin", appointsAdmins, page | fresh, s.setMemberAdmin},
		{post, "/servers/:id/members/:localpart/lock", managesMembers, page, s.lockMember},
		{post, "/servers/:id/members/:localpart/deactivate", managesMembers, page, s.deactivateMember},
		{post, "/servers/:id/members/:localpart/reactivate", managesMembers, page, s.reactivateMember},
		{post, "/servers/:id/members/:localpart/erase", managesMembers, page | fresh, s.eraseMember},
		{post, "/servers/:id/members/:localpart/forget", managesMembers, page, s.forgetMember},
		{get, "/servers/:id/rooms", managesContent, page, s.showRooms},
		{get, "/servers/:id/rooms/work", managesContent, fragment | quiet, s.showRoomWork},
		{get, "/servers/:id/rooms/:room", managesContent, page, s.showRoom},
		{get, "/servers/:id/rooms/:room/delete", managesContent, page | fresh, s.showRoomDelete},
		{post, "/servers/:id/rooms/:room/delete", managesContent, page | fresh, s.deleteRoom},
		{get, "/servers/:id/media", managesContent, page, s.showMedia},
		{get, "/servers/:id/media/files", managesContent, page, s.showFiles},
		{get, "/servers/:id/media/delete", managesContent, page | fresh, s.showMediaDelete},
		{post, "/servers/:id/media/delete", managesContent, page | fresh, s.deleteMedia},
		{post, "/servers/:id/media/:media/quarantine", managesContent, page, s.quarantineMedia},
		{post, "/servers/:id/media/:media/release", managesContent, page, s.releaseMedia},
		{get, "/servers/:id/media/remote", managesContent, page, s.showRemote},
		{post, "/servers/:id/media/remote", managesContent, page, s.purgeRemote},
		{get, "/servers/:id/media/work", managesContent, fragment | quiet, s.showMediaWork},
		{get, "/servers/:id/notices", managesContent, page, s.showNotices},
		{post, "/servers/:id/notices", managesContent, page, s.announce},
		{get, "/servers/:id/notices/:notice", managesContent, page, s.showNotice},
		{get, "/servers/:id/notices/:notice/state", managesContent, fragment | quiet, s.showNoticeState},
		{get, "/servers/:id/settings", sees, page, s.showSettings},
		{post, "/servers/:id/settings", managesSettings, page, s.changeSettings},
		{get, "/servers/:id/settings/state", sees, fragment | quiet, s.showSettingsState},
		{post, "/servers/:id/settings/logo", managesSettings, file, s.setLogo},
		{get, "/logos/:server", public, plain, s.logo},
		{get, "/servers/:id/colleagues", managesColleagues, page | fresh, s.showColleagues},
		{post, "/servers/:id/colleagues", managesColleagues, page | fresh, s.inviteColleague},
		{post, "/servers/:id/colleagues/withdraw", managesColleagues, page | fresh, s.withdrawColleague},
		{post, "/servers/:id/colleagues/:colleague/role", managesColleagues, page | fresh, s.setColleagueRole},
		{post, "/servers/:id/colleagues/:colleague/remove", managesColleagues, page | fresh, s.removeColleague},
		{post, "/servers/:id/leave", sees, page, s.leaveServer},
		{get, "/colleague", customer, token, s.showJoin},
		{post, "/colleague", customer, token, s.join},
		{get, "/servers/:id/plan", managesBilling, page, s.showPlan},
		{get, "/servers/:id/plan/change", managesBilling, page, s.showPlanChange},
		{post, "/servers/:id/plan/change", managesBilling, page, s.changePlan},
		{post, "/servers/:id/plan/undo", managesBilling, page, s.undoPlan},
		{post, "/servers/:id/plan/cancel", managesBilling, page, s.cancelPlan},
		{post, "/servers/:id/plan/resume", managesBilling, page, s.resumePlan},
		{post, "/servers/:id/plan/pay", managesBilling, page, s.payPlan},
		{post, "/servers/:id/plan/give-up", managesBilling, page, s.giveUpPlan},
		{post, "/servers/:id/plan/portal", managesBilling, page, s.openPortal},
		{get, "/servers/:id/bills", managesBilling, page, s.showBills},
		{get, "/servers/:id/bills/:bill", managesBilling, page, s.showBill},
		{get, "/servers/:id/bills/:bill/pdf", managesBilling, download, s.downloadBill},
		{get, "/servers/:id/delete", deletes, page | fresh, s.showDelete},
		{post, "/servers/:id/delete", deletes, page | fresh, s.deleteServer},
		{post, "/servers/:id/restore", deletes, page, s.restoreServer},

		{get, "/operator", operator, page, s.showFleet},
		{get, "/operator/servers/:id", operator, page, s.showFleetServer},
		{post, "/operator/servers/:id/suspend", operator, page, s.suspendServer},
		{post, "/operator/servers/:id/resume", operator, page, s.resumeServer},
		{post, "/operator/servers/:id/retry", operator, page, s.retryServer},
		{post, "/operator/servers/:id/delete", operator, page | fresh, s.deleteFleetServer},
		{get, "/operator/orders", operator, page, s.showFleetOrders},
		{get, "/operator/payments", operator, page, s.showPayments},
		{post, "/operator/orders/:order/paid", operator, page, s.markPaid},
		{post, "/operator/orders/:order/cancel", operator, page, s.cancelFleetOrder},
		{get, "/operator/plans", operator, page, s.showSale},
		{get, "/operator/new/plan", operator, page, s.showNewPlan},
		{post, "/operator/new/plan", operator, page, s.createPlan},
		{get, "/operator/preview/plan", operator, fragment | quiet, s.previewPlan},
		{get, "/operator/plans/:slug", operator, page, s.showSalePlan},
		{get, "/operator/plans/:slug/edit", operator, page, s.showPlanForm},
		{post, "/operator/plans/:slug/edit", operator, page, s.savePlan},
		{post, "/operator/plans/:slug/show", operator, page, s.showInSale},
		{post, "/operator/plans/:slug/hide", operator, page, s.hideFromSale},
		{post, "/operator/plans/:slug/own", operator, page, s.giveOwnPrice},
		{post, "/operator/plans/:slug/withdraw-own", operator, page, s.withdrawOwnPrice},
		{get, "/operator/plans/:slug/move", operator, page, s.showMove},
		{post, "/operator/plans/:slug/move", operator, page, s.moveServers},
		{get, "/operator/addons", operator, page, s.showAddons},
		{get, "/operator/new/addon", operator, page, s.showNewAddon},
		{post, "/operator/new/addon", operator, page, s.createAddon},
		{get, "/operator/addons/:slug", operator, page, s.showAddon},
		{get, "/operator/addons/:slug/edit", operator, page, s.showAddonForm},
		{post, "/operator/addons/:slug/edit", operator, page, s.saveAddon},
		{post, "/operator/addons/:slug/show", operator, page, s.showAddonInSale},
		{post, "/operator/addons/:slug/hide", operator, page, s.hideAddon},
		{get, "/operator/coupons", operator, page, s.showCoupons},
		{get, "/operator/new/coupon", operator, page, s.showNewCoupon},
		{post, "/operator/new/coupon", operator, page, s.createCoupon},
		{post, "/operator/coupons/:code/withdraw", operator, page, s.withdrawCoupon},
		{post, "/operator/servers/:id/pause", operator, page, s.pauseDunning},
		{get, "/operator/invoices", operator, page, s.showInvoices},
		{get, "/operator/invoices.csv", operator, download, s.exportInvoices},
		{get, "/operator/invoices/:bill", operator, page, s.showInvoice},
		{get, "/operator/invoices/:bill/pdf", operator, download, s.downloadInvoice},
		{post, "/operator/invoices/:bill/paid", operator, page, s.bookPayment},
		{post, "/operator/invoices/:bill/void", operator, page, s.voidInvoice},
		{get, "/operator/billing", operator, page, s.showBillingSettings},
		{post, "/operator/billing", operator, page, s.saveBillingSettings},
		{get, "/operator/accounts", operator, page, s.findCustomer},
		{get, "/operator/accounts/:account", operator, page, s.showCustomer},
		{get, "/operator/accounts/:account/two-step", operator, page | fresh, s.showResetTwoStep},
		{post, "/operator/accounts/:account/two-step", operator, page | fresh, s.resetTwoStep},
		{get, "/operator/audit", operator, page, s.showAudit},
		{get, "/operator/account", signed, page, s.showAccount},
		{post, "/operator/account", signed, page, s.changePassword},

		{post, "/webhooks/stripe", public, machine, s.receiveStripe},

		{get, "/trial/mails", trial, page, s.showMails},
		{get, "/trial/mails/:mail", trial, page, s.showMailBody},
		{get, "/trial/certificate", trial, page, s.showCertificate},
		{get, "/trial/ca.pem", trial, page, s.downloadCertificate},
	}
}
