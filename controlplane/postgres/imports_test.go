package postgres_test

import (
	"fmt"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

// importRows imports members with these names, in the name of an actor of their own.
func (w *world) importRows(actor controlplane.Actor, id tenant.ID, names ...tenant.Localpart) (string, error) {
	var rows []controlplane.ImportRow
	for i, name := range names {
		rows = append(rows, controlplane.ImportRow{Line: i + 2, Localpart: name, Sealed: []byte("sealed")})
	}
	preview, err := w.store.CreatePreview(w.ctx, actor, id, controlplane.Preview{FileName: "klasse 7.csv", Rows: rows})
	if err != nil {
		return "", err
	}
	return w.store.CreateImport(w.ctx, controlplane.ImportRequest{Actor: actor, Tenant: id, Preview: preview, Rows: rows})
}

func (w *world) roomy(name string, seats int) tenant.ID {
	w.Helper()
	id := w.active(name)
	w.exec(`update plans set seats = $1`, seats)
	return id
}

// workImport carries out what is in the queue of an import until nothing is left; refuse names those the server refuses.
func (w *world) workImport(id string, refuse map[string]string) (ended int) {
	w.Helper()
	for {
		var operation, who string
		err := w.pool.QueryRow(w.ctx, `select id::text, localpart from operations
			where import_id::text = $1 and finished_at is null and claimed_until > '-infinity' limit 1`, id).Scan(&operation, &who)
		if err != nil {
			return ended
		}
		w.carryOut(operation, refuse[who])
		ended++
	}
}

func TestAnImportGoesOnByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.roomy("anna", 100)
	var names []tenant.Localpart
	for i := range 30 {
		names = append(names, tenant.Localpart(fmt.Sprintf("schueler%02d", i)))
	}
	imported, err := w.importRows(w.anna, id, names...)
	w.must(err)
	if n := w.jobs("operation"); n != controlplane.OperationShare {
		t.Errorf("%d rows are in the queue at once", n)
	}
	if n := w.seats(id); n != 31 {
		t.Errorf("%d seats are reserved", n)
	}
	w.exec(`update operations set created_at = now() - interval '1 minute'`)
	if woken, err := w.store.WakeOperations(w.ctx); err != nil || woken != controlplane.OperationShare {
		t.Errorf("the sweep woke %d rows, %v: those not yet in the queue must wait for their turn", woken, err)
	}
	if ended := w.workImport(imported, map[string]string{"schueler07": "member.exists"}); ended != 30 {
		t.Fatalf("%d rows ended: the chain broke", ended)
	}
	got, err := w.store.FindImport(w.ctx, id, imported)
	w.must(err)
	if got.Total != 30 || got.Done != 29 || got.Failed != 1 || got.Unlinked != 29 || !got.Finished() ||
		len(got.Failures) != 1 || got.Failures[0].Line != 9 || got.Failures[0].Code != "member.exists" {
		t.Errorf("%+v", got)
	}
	if n := w.seats(id); n != 30 {
		t.Errorf("%d seats: the refused row keeps its own", n)
	}
	var lines []int
	w.must(w.store.EachImported(w.ctx, id, imported, func(row controlplane.Imported) error {
		lines = append(lines, row.Line)
		return nil
	}))
	if len(lines) != 30 || lines[0] != 2 || lines[29] != 31 {
		t.Errorf("lines %v", lines)
	}
	other := w.order("other")
	_, err = w.store.FindImport(w.ctx, other, imported)
	w.wantFault(err, "import.unknown")
}

func TestAnImportIsAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna") // five seats
	_, err := w.importRows(w.anna, id, "a", "b", "c", "d", "e")
	w.wantFault(err, "seats.too_few")
	if params := tenant.FaultOf(err).Params; params["Need"] != "5" || params["Free"] != "4" {
		t.Errorf("the numbers are %v", params)
	}
	_, err = w.importRows(w.anna, id, "a", "anna")
	w.wantFault(err, "import.changed")
	if n := w.count(`select count(*) from members`) + w.count(`select count(*) from operations`) + w.count(`select count(*) from imports`); n != 1 {
		t.Errorf("%d rows, want Anna's", n)
	}
	_, err = w.store.CreateImport(w.ctx, controlplane.ImportRequest{Actor: w.account("ben@example.org"), Tenant: id, Preview: "11111111-1111-4111-8111-111111111111"})
	w.wantFault(err, "import.gone")
}

func TestAPreviewIsItsReadersForAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	preview, err := w.store.CreatePreview(w.ctx, w.anna, id, controlplane.Preview{FileName: "f.csv", Rows: []controlplane.ImportRow{{Line: 2, Localpart: "anna"}, {Line: 3, Localpart: "bert"}}})
	w.must(err)
	p, err := w.store.FindPreview(w.ctx, w.anna, id, preview)
	w.must(err)
	if len(p.Rows) != 2 || p.Rows[0].Code != "member.exists" || p.Rows[1].Code != "" || p.Good() != 1 {
		t.Errorf("%+v", p)
	}
	_, err = w.store.FindPreview(w.ctx, w.account("ben@example.org"), id, preview)
	w.wantFault(err, "import.gone")
	w.exec(`update import_previews set created_at = now() - interval '61 minutes'`)
	_, err = w.store.FindPreview(w.ctx, w.anna, id, preview)
	w.wantFault(err, "import.gone")
	w.must(w.store.CleanAccounts(w.ctx))
	if n := w.count(`select count(*) from import_previews`); n != 0 {
		t.Error("an old preview was kept")
	}
}

// An imported member with an address is written to once the account is there; one with a password of their own is not.
func TestImportedMembersAreWrittenTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.roomy("anna", 100)
	rows := []controlplane.ImportRow{
		{Line: 2, Localpart: "bert", Email: "bert@example.org", Sealed: []byte("sealed")},
		{Line: 3, Localpart: "carla", Email: "carla@example.org", Own: true, Sealed: []byte("sealed")},
		{Line: 4, Localpart: "dora", Sealed: []byte("sealed")},
		{Line: 5, Localpart: "emil", Email: "emil@example.org", Sealed: []byte("sealed")},
	}
	preview, err := w.store.CreatePreview(w.ctx, w.anna, id, controlplane.Preview{Rows: rows})
	w.must(err)
	imported, err := w.store.CreateImport(w.ctx, controlplane.ImportRequest{Actor: w.anna, Tenant: id, Preview: preview, Rows: rows})
	w.must(err)
	if w.jobs("member_mail") != 0 {
		t.Error("a mail is written before there is an account")
	}
	w.workImport(imported, map[string]string{"emil": "member.exists"})
	if n := w.jobs("member_mail"); n != 1 {
		t.Errorf("%d mails", n)
	}
	got, err := w.store.FindImport(w.ctx, id, imported)
	w.must(err)
	if got.Mailed != 1 || got.Unlinked != 1 {
		t.Errorf("%d mailed, %d without a way in", got.Mailed, got.Unlinked)
	}
	// Whoever has found in since is not given another way.
	for name, change := range map[string]string{
		"was seen":       `update members set last_seen_at = now() where localpart = 'dora'`,
		"has power":      `update members set server_admin = true where localpart = 'dora'`,
		"is deactivated": `update members set state = 'deactivated' where localpart = 'dora'`,
		"is forgotten":   `delete from members where localpart = 'dora'`,
		"has a password": `insert into operations (tenant_id, subject, localpart, kind, finished_at) select id, 'member dora', 'dora', 'set_password', now() from tenants`,
	} {
		w.exec(change)
		got, err := w.store.FindImport(w.ctx, id, imported)
		w.must(err)
		links := 0
		w.must(w.store.EachImported(w.ctx, id, imported, func(row controlplane.Imported) error {
			if row.Unlinked {
				links++
			}
			return nil
		}))
		if got.Unlinked != 0 || links != 0 {
			t.Errorf("who %s has no way in: %d, %d", name, got.Unlinked, links)
		}
		w.exec(`delete from members where localpart = 'dora'`)
		w.exec(`insert into members (tenant_id, localpart, state) values ($1, 'dora', 'active')`, id)
		w.exec(`delete from operations where kind = 'set_password'`)
	}
}
