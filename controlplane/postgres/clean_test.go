package postgres_test

import (
	"testing"
	"time"

	"hafen/controlplane"
)

// What was done to members is forgotten after three months but for the audit log, unless something that is there looks at it.
func TestEndedOperationsGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.exec(`update plans set seats = 100`)
	w.do(id, "bert", controlplane.OperationCreate)
	w.do(id, "bert", controlplane.OperationSetPassword)
	refused, err := w.request(id, "carla", controlplane.OperationCreate)
	w.must(err)
	w.carryOut(refused, "member.letters")
	link, err := w.invite(id, time.Hour)
	w.must(err)
	invited, err := w.use(id, link, "dora")
	w.must(err)
	w.carryOut(invited, "")
	w.must((&controlplane.Announcements{Store: w.store}).Send(w.ctx, w.anna, id, anID(1), "Words", true, nil))
	w.exec(`update operations set finished_at = now() where kind = 'announce'`)
	_, err = w.importRows(w.anna, id, "emil")
	w.must(err)
	w.exec(`update operations set finished_at = now() where import_id is not null`)
	open, err := w.request(id, "bert", controlplane.OperationDeactivate)
	w.must(err)

	clean := func(want int) {
		t.Helper()
		audit := w.count(`select count(*) from audit`)
		w.must(w.store.CleanAccounts(w.ctx))
		if n := w.count(`select count(*) from operations`); n != want {
			t.Errorf("%d operations are left, want %d", n, want)
		}
		if n := w.count(`select count(*) from audit`); n != audit || audit == 0 {
			t.Errorf("of %d audit entries %d are left", audit, n)
		}
	}
	clean(7) // none of them is old
	w.exec(`update operations set finished_at = finished_at - interval '89 days', created_at = created_at - interval '100 days'`)
	clean(7)
	w.exec(`update operations set finished_at = finished_at - interval '2 days'`)
	clean(4)
	for what, sql := range map[string]string{
		"of an invite":        `select count(*) from operations where id = '` + invited + `'`,
		"of an announcement":  `select count(*) from operations where kind = 'announce'`,
		"of a file":           `select count(*) from operations where import_id is not null`,
		"that has no end yet": `select count(*) from operations where id = '` + open + `' and finished_at is null`,
	} {
		if n := w.count(sql); n != 1 {
			t.Errorf("that %s: %d", what, n)
		}
	}
	// The page behind the invite's link still says what came of it.
	invite, err := w.store.FindInvite(w.ctx, link)
	w.must(err)
	if o, err := w.store.FindOperation(w.ctx, invite.Operation); err != nil || !o.Finished {
		t.Errorf("%+v %v", o, err)
	}
	w.exec(`delete from invites`)
	clean(3)
}
