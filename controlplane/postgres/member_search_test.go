package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func (w *world) search(id tenant.ID, q controlplane.MemberQuery) controlplane.MemberPage {
	w.Helper()
	q.Page = max(q.Page, 1)
	page, err := w.store.SearchMembers(w.ctx, id, q)
	w.must(err)
	return page
}

func names(page controlplane.MemberPage) (list []string) {
	for _, m := range page.Members {
		list = append(list, string(m.Localpart))
	}
	return list
}

func TestMembersAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.exec(`insert into members (tenant_id, localpart, display_name, state, created_at, last_seen_at, media_bytes, locked, server_admin, failure, failed_kind) values
		($1, 'bert', 'Bert Brandung', 'active', now() - interval '3 days', now() - interval '1 day', 10, false, true, '', ''),
		($1, 'carla', 'Über_Mut 100%', 'active', now() - interval '2 days', null, 30, true, false, 'server.unavailable', 'set_password'),
		($1, 'dora', '', 'deactivated', now() - interval '4 days', now(), 20, false, false, '', '')`, id)
	_, err := w.request(id, "emil", controlplane.OperationCreate)
	w.must(err)
	for name, row := range map[string]struct {
		query controlplane.MemberQuery
		want  []string
	}{
		"all by name":       {controlplane.MemberQuery{}, []string{"anna", "bert", "carla", "dora", "emil"}},
		"backwards":         {controlplane.MemberQuery{Descending: true}, []string{"emil", "dora", "carla", "bert", "anna"}},
		"display name":      {controlplane.MemberQuery{Search: "brand"}, []string{"bert"}},
		"a name, any case":  {controlplane.MemberQuery{Search: "DORA"}, []string{"dora"}},
		"a whole address":   {controlplane.MemberQuery{Search: "@dora:anna.hafen.test"}, []string{"dora"}},
		"umlauts, any case": {controlplane.MemberQuery{Search: "ÜBER"}, []string{"carla"}},
		"a per cent sign":   {controlplane.MemberQuery{Search: "0%"}, []string{"carla"}},
		"an underscore":     {controlplane.MemberQuery{Search: "r_m"}, []string{"carla"}},
		"nothing":           {controlplane.MemberQuery{Search: `'; drop table members; --`}, nil},
		"active":            {controlplane.MemberQuery{State: "active"}, []string{"anna", "bert", "carla", "emil"}},
		"deactivated":       {controlplane.MemberQuery{State: "deactivated"}, []string{"dora"}},
		"locked":            {controlplane.MemberQuery{State: "locked"}, []string{"carla"}},
		"admin":             {controlplane.MemberQuery{State: "admin"}, []string{"bert"}},
		"pending":           {controlplane.MemberQuery{State: "pending"}, []string{"emil"}},
		"attention":         {controlplane.MemberQuery{State: "attention"}, []string{"carla"}},
		"no such state":     {controlplane.MemberQuery{State: "x'"}, []string{"anna", "bert", "carla", "dora", "emil"}},
		"seen":              {controlplane.MemberQuery{Sort: "seen", Descending: true, State: "active"}, []string{"bert", "anna", "carla", "emil"}},
		"storage":           {controlplane.MemberQuery{Sort: "storage", Descending: true, Search: "a"}, []string{"carla", "dora", "bert", "anna"}},
		"created":           {controlplane.MemberQuery{Sort: "created", Search: "r"}, []string{"dora", "bert", "carla"}},
		"far away":          {controlplane.MemberQuery{Page: 9}, nil},
	} {
		page := w.search(id, row.query)
		if !slices.Equal(names(page), row.want) {
			t.Errorf("%s: %v, want %v", name, names(page), row.want)
		}
		if name != "far away" && page.Total != len(row.want) {
			t.Errorf("%s: %d in all, want %d", name, page.Total, len(row.want))
		}
	}
	counts := w.search(id, controlplane.MemberQuery{}).ByState
	for state, want := range map[string]int{"": 5, "active": 4, "deactivated": 1, "locked": 1, "admin": 1, "pending": 1, "attention": 1} {
		if counts[state] != want {
			t.Errorf("%d %q, want %d", counts[state], state, want)
		}
	}
	if emil, err := w.store.FindMember(w.ctx, id, "emil"); err != nil || emil.Pending != controlplane.OperationCreate {
		t.Errorf("%+v %v", emil, err)
	}
}

// A question about a member that failed says nothing about the member.
func TestAFailedQuestionIsNoFailureOfTheMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	for range 2 { // two people may ask at once
		question, err := w.store.RequestOperation(w.ctx, controlplane.OperationRequest{Actor: w.anna, Tenant: id, Kind: controlplane.OperationListDevices, Member: "anna"})
		w.must(err)
		if anna, err := w.store.FindMember(w.ctx, id, "anna"); err != nil || anna.Pending != "" {
			t.Fatalf("%+v %v", anna, err)
		}
		w.must(w.store.FinishOperation(w.ctx, question, "server.unavailable", nil))
	}
	operation, err := w.request(id, "anna", controlplane.OperationSignOut)
	w.must(err)
	w.carryOut(operation, "engine.unsupported")
	anna, err := w.store.FindMember(w.ctx, id, "anna")
	w.must(err)
	if anna.Failed != "engine.unsupported" || anna.FailedKind != controlplane.OperationSignOut {
		t.Fatalf("%+v", anna)
	}
	w.do(id, "anna", controlplane.OperationSetPassword)
	if anna, err = w.store.FindMember(w.ctx, id, "anna"); err != nil || anna.Failed != "" {
		t.Fatalf("an old failure stays: %+v %v", anna, err)
	}
}

// What the last operation on a member asked for is in the row when it has ended well.
func TestOperationsLeaveTheirMark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.do(id, "bert", controlplane.OperationCreate)
	change := func(kind controlplane.OperationKind, input any) controlplane.Member {
		t.Helper()
		operation, err := w.store.RequestMember(w.ctx, controlplane.MemberRequest{Actor: w.anna, Tenant: id, Localpart: "bert", Kind: kind, Input: input, Sealed: []byte("sealed")})
		w.must(err)
		w.carryOut(operation, "")
		m, err := w.store.FindMember(w.ctx, id, "bert")
		w.must(err)
		return m
	}
	type of = map[string]any
	if m := change(controlplane.OperationSetAdmin, of{"admin": true}); !m.ServerAdmin {
		t.Errorf("%+v", m)
	}
	if m := change(controlplane.OperationLock, of{"locked": true}); !m.Locked {
		t.Errorf("%+v", m)
	}
	if m := change(controlplane.OperationLock, of{"locked": false}); m.Locked {
		t.Errorf("%+v", m)
	}
	link, err := w.link(id, "bert", time.Hour)
	w.must(err)
	w.exec(`update members set display_name = 'Bert' where localpart = 'bert'`)
	if m := change(controlplane.OperationDeactivate, of{"erase": false}); m.State != "deactivated" || m.Erased || m.DisplayName != "Bert" {
		t.Errorf("%+v", m)
	}
	_, err = w.store.FindPasswordLink(w.ctx, link)
	w.wantFault(err, "token.used") // who was let go has no way back
	if m := change(controlplane.OperationDeactivate, of{"erase": true}); m.State != "deactivated" || !m.Erased || m.DisplayName != "" {
		t.Errorf("%+v", m)
	}
}

// How fast is for make bench to say.
func TestTenThousandMembersAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.exec(`insert into members (tenant_id, localpart, display_name, state, created_at, last_seen_at, media_bytes)
		select $1, 'person' || n, 'Vorname' || n || ' Nachname' || n, case when n % 10 = 0 then 'deactivated' else 'active' end,
			now() - n * interval '1 hour', now() - n * interval '1 minute', n * 1000 from generate_series(1, 9999) n`, id)
	w.exec(`insert into operations (tenant_id, subject, localpart, kind, finished_at) select $1, 'member person' || n, 'person' || n, 'create', now()
		from generate_series(1, 9999) n`, id)
	w.exec(`analyze`)
	for i := range 100 {
		q := controlplane.MemberQuery{Sort: controlplane.MemberSorts[i%4], Descending: i%8 > 3, Page: 2 + i*2}
		if i%5 == 0 {
			q.Search, q.Page = fmt.Sprintf("name%d", i), 2
		}
		page := w.search(id, q)
		if q.Search == "" && len(page.Members) != 50 {
			t.Fatalf("%d members on page %d", len(page.Members), q.Page)
		}
	}
	n := 0
	w.must(w.store.EachMember(w.ctx, id, func(controlplane.Member) error { n++; return nil }))
	if n != 10_000 {
		t.Errorf("%d members in all", n)
	}
}
