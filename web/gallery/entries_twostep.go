package gallery

import (
	"time"

	"hafen/templates"
)

var passkeys = []templates.Passkey{
	{ID: "k1", Name: "Annas Telefon", CreatedAt: now.AddDate(0, -3, 0), UsedAt: now.Add(-2 * time.Hour)},
	{ID: "k2", Name: "Sicherheitsschlüssel am Schlüsselbund, der in der Schublade liegt", CreatedAt: now.AddDate(0, 0, -2)},
}

var recoveryCodes = []string{
	"k3mq-7vdx-2jw9-h4fz", "tzc6-n5yb-rq2w-ms7a", "p4xk-vn3d-6yqc-bw2h", "z7fj-t2ma-x5cs-kd4g", "h6rw-q3vn-yb7p-2mzx",
	"d5gt-c4kj-w7sf-nq3v", "m2xb-z6hp-r4ya-t7cd", "v3nq-k5wg-j2fx-s6mz", "b7yc-p4td-h3rk-q5xw", "s4zm-f6vj-n7gb-c2ha",
}

func twoStepEntries() []Entry {
	v, c, o := templates.Visitor, templates.Customer, templates.Operator
	both := templates.TwoStep{AppSince: now.AddDate(0, -1, 0), Passkeys: passkeys, RecoveryLeft: 8}
	few := templates.TwoStep{AppSince: now, RecoveryLeft: 1}
	ask := &templates.PasskeyAsk{Challenge: "c"}
	setup := templates.AppSetup{
		Secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", Sealed: "s",
		URI: "otpauth://totp/hafen.example:anna@werft.example?issuer=hafen.example&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
	}
	wrongSetup := setup
	wrongSetup.Form = wrong(nil, map[string]string{"code": "code.wrong"})
	card := templates.SecurityCard{TwoStep: true, App: true, Passkeys: 2, Recovery: 8}
	customer := templates.OperatorCustomer{ID: "a1", Email: "anna@werft.example", Language: "de", Verified: true, CreatedAt: now.AddDate(-1, 0, 0), TwoStep: card}
	plain := customer
	plain.Verified, plain.TwoStep = false, templates.SecurityCard{}
	reset := templates.OperatorReset{ID: "a1", Email: "anna@werft.example"}
	wrongReset := reset
	wrongReset.Form = wrong(map[string]string{"email": "anna@wertf.example"}, map[string]string{"email": "reset.email_differs", "note": "reset.note_missing"})
	return []Entry{
		page(v, "second", of(templates.SecondPage, templates.Second{App: true, Recovery: true, Passkey: ask})),
		page(v, "second-app", of(templates.SecondPage, templates.Second{App: true, Recovery: true})),
		page(v, "second-passkey", of(templates.SecondPage, templates.Second{Passkey: ask})),
		mistaken(v, "second-wrong", of(templates.SecondPage, templates.Second{App: true, Recovery: true, Form: wrong(nil, map[string]string{"code": "code.wrong"})})),
		mistaken(v, "second-recovery-wrong", of(templates.SecondPage, templates.Second{App: true, Recovery: true, Form: wrong(nil, map[string]string{"recovery": "recovery.wrong"})})),
		mistaken(v, "second-passkey-wrong", of(templates.SecondPage, templates.Second{Recovery: true, Passkey: ask, Form: wrong(nil, map[string]string{"": "passkey.refused"})})),
		mistaken(v, "login-expired", of(templates.LoginPage, templates.Login{Form: wrong(nil, map[string]string{"": "login.expired"})})),
		page(c, "twostep-off", of(templates.TwoStepPage, templates.TwoStep{})),
		page(c, "twostep", of(templates.TwoStepPage, both)),
		page(c, "twostep-few-codes", of(templates.TwoStepPage, few)),
		page(o, "twostep-required", of(templates.TwoStepPage, templates.TwoStep{Required: true})),
		page(c, "twostep-app", of(templates.AppSetupPage, setup)),
		mistaken(c, "twostep-app-wrong", of(templates.AppSetupPage, wrongSetup)),
		page(c, "twostep-codes", of(templates.RecoveryCodesPage, templates.RecoveryCodes{Codes: recoveryCodes, Email: "anna@werft.example", Started: true})),
		page(c, "passkey-new", of(templates.PasskeyPage, templates.NewPasskey{Ask: *ask, Form: templates.Form{Values: map[string]string{"name": "Firefox, Linux"}}})),
		mistaken(c, "passkey-new-wrong", of(templates.PasskeyPage, templates.NewPasskey{Ask: *ask, Form: wrong(nil, map[string]string{"name": "passkey.name"})})),
		page(c, "reauth", of(templates.ReauthPage, templates.Reauth{Next: "/servers/t7k2m9/delete"})),
		page(c, "reauth-app", of(templates.ReauthPage, templates.Reauth{TwoStep: true, App: true, Recovery: true, Passkey: ask})),
		mistaken(c, "reauth-app-wrong", of(templates.ReauthPage, templates.Reauth{TwoStep: true, App: true, Recovery: true, Form: wrong(nil, map[string]string{"code": "code.wrong"})})),
		page(c, "reauth-passkey", of(templates.ReauthPage, templates.Reauth{TwoStep: true, Passkey: ask})),
		mistaken(c, "reauth-wrong", of(templates.ReauthPage, templates.Reauth{Form: wrong(nil, map[string]string{"password": "password.wrong"})})),
		page(c, "email", of(templates.EmailChangePage, templates.EmailChange{Current: "anna@werft.example"})),
		page(c, "email-sent", of(templates.EmailChangePage, templates.EmailChange{Sent: "anna@hafen.example"})),
		mistaken(c, "email-wrong", of(templates.EmailChangePage, templates.EmailChange{
			Current: "anna@werft.example", Form: wrong(map[string]string{"email": "anna@werft.example"}, map[string]string{"email": "email.same"}),
		})),
		page(v, "email-confirm-open", of(templates.EmailConfirmPage, templates.EmailConfirm{State: templates.LinkOpen, Token: "t", Email: "anna@hafen.example"})),
		page(v, "email-confirm-done", of(templates.EmailConfirmPage, templates.EmailConfirm{State: templates.LinkDone, Email: "anna@hafen.example"})),
		mistaken(v, "email-confirm-expired", of(templates.EmailConfirmPage, templates.EmailConfirm{State: templates.LinkExpired})),
		mistaken(v, "email-confirm-taken", of(templates.EmailConfirmPage, templates.EmailConfirm{Taken: true})),
		page(v, "email-undo", of(templates.EmailUndoPage, templates.EmailConfirm{State: templates.LinkOpen, Token: "t", Email: "anna@werft.example"})),
		mistaken(v, "email-undo-expired", of(templates.EmailUndoPage, templates.EmailConfirm{State: templates.LinkExpired})),
		mistaken(v, "email-undo-taken", of(templates.EmailUndoPage, templates.EmailConfirm{Taken: true})),
		page(o, "operator-accounts", of(templates.OperatorSearchPage, templates.OperatorSearch{})),
		mistaken(o, "operator-accounts-unknown", of(templates.OperatorSearchPage, templates.OperatorSearch{
			Form: wrong(map[string]string{"email": "otto@werft.example"}, map[string]string{"email": "account.unknown"}),
		})),
		page(o, "operator-customer", of(templates.OperatorCustomerPage, customer)),
		page(o, "operator-customer-plain", of(templates.OperatorCustomerPage, plain)),
		page(o, "operator-reset", of(templates.OperatorResetPage, reset)),
		mistaken(o, "operator-reset-wrong", of(templates.OperatorResetPage, wrongReset)),
	}
}
