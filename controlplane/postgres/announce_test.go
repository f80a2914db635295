package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/tenant"
)

func anID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// people adds members m000, m001, ... beside anna.
func (c *content) people(n int) {
	c.exec(`insert into members (tenant_id, localpart, display_name, state) select $1, 'm' || lpad(i::text, 3, '0'), 'Member ' || i, 'active' from generate_series(0, $2::int - 1) i`, c.id, n)
}

func (c *content) words() *controlplane.Announcements {
	return &controlplane.Announcements{Store: c.store}
}

func (c *content) announcement(n int) controlplane.Announcement {
	c.Helper()
	a, err := c.words().Find(c.ctx, c.anna, c.id, anID(n))
	c.must(err)
	return a
}

// finish takes turns until nothing is open.
func (c *content) finish() (turns int) {
	for ; c.open() > 0 && turns < 1000; turns++ {
		_ = c.turn(c.ctx)
	}
	return turns
}

// Everybody gets it once, whatever happens in the middle: a server that falls silent, a worker that is killed, somebody
// whom the server does not know, somebody it has no answer for, somebody who leaves.
func TestAnnouncementReachesEverybodyOnce(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.people(60)
	c.must(c.words().Send(c.ctx, c.anna, c.id, anID(1), "  Heute Abend\r\nWartung \n", true, nil))
	killed, cancel := context.WithCancel(c.ctx)
	c.house.fail = func(what string) error {
		switch {
		case what == "tell m010":
			return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"}
		case what == "tell m020":
			return errors.New("500")
		case c.house.sent == 30 && killed.Err() == nil:
			cancel()
		case c.house.sent == 35:
			c.house.sent = 1000
			return silent
		}
		return nil
	}
	c.exec(`update members set state = 'deactivated' where localpart = 'm055'`)
	if err := c.turn(killed); err == nil {
		t.Fatal("a killed worker ended well")
	}
	if a := c.announcement(1); a.Finished || a.Sent < 20 || a.Sent > 31 || a.Total != 61 || a.Text != "Heute Abend\nWartung" {
		t.Fatalf("%+v", a)
	}
	c.finish()
	a := c.announcement(1)
	if !a.Finished || a.Code != "" || a.Sent != 58 || a.Failed != 3 || !a.Everybody || a.Actor != "anna@example.org" {
		t.Fatalf("%+v", a)
	}
	want := []controlplane.Unreached{{Localpart: "m010", Code: "member.unknown"}, {Localpart: "m020", Code: "announce.failed"}, {Localpart: "m055", Code: "announce.left"}}
	if fmt.Sprint(a.Unreached) != fmt.Sprint(want) {
		t.Fatalf("unreached: %v", a.Unreached)
	}
	people := map[string]int{}
	for key := range c.house.got {
		people[strings.Fields(key)[0]]++
	}
	if len(c.house.got) != 58 || len(people) != 58 {
		t.Fatalf("%d messages for %d people", len(c.house.got), len(people))
	}
	if c.audited("server.announce") != 1 {
		t.Error("the log does not tell")
	}
}

// A server that has no answer for anybody is not taken for people who cannot be reached.
func TestSilenceOfAServerIsNobodysFault(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.people(30)
	c.must(c.words().Send(c.ctx, c.anna, c.id, anID(1), "Hello", true, nil))
	c.house.fail = func(string) error { return errors.New("500") }
	for range 4 {
		if err := c.turn(c.ctx); err == nil {
			t.Fatal("no attempt failed")
		}
	}
	if a := c.announcement(1); a.Finished || a.Failed != 0 {
		t.Fatalf("%+v", a)
	}
	c.house.fail = func(string) error { return silent }
	for range 10 {
		if err := c.turn(c.ctx); err == nil {
			t.Fatal("no attempt failed")
		}
	}
	c.house.fail = nil
	c.finish()
	if a := c.announcement(1); a.Sent != 31 || a.Failed != 0 {
		t.Fatalf("%+v", a)
	}
}

func TestAnnouncementIsOneHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.people(3)
	words := c.words()
	for range 3 {
		c.must(words.Send(c.ctx, c.anna, c.id, anID(1), "Hello", false, []string{"m001", "m001", "ANNA", "not a name!"}))
	}
	c.wantFault(words.Send(c.ctx, c.anna, c.id, anID(2), "Hello again", true, nil), "announce.busy")
	c.finish()
	c.must(words.Send(c.ctx, c.anna, c.id, anID(1), "Hello", true, nil)) // long done
	if a := c.announcement(1); a.Sent != 2 || a.Total != 2 || c.house.sent != 2 || a.Everybody {
		t.Fatalf("%+v, %d sent", a, c.house.sent)
	}
	c.must(words.Send(c.ctx, c.anna, c.id, anID(2), "Hello again", true, nil))
	list, err := words.List(c.ctx, c.anna, c.id, 1)
	if err != nil || list.Total != 2 || list.Announcements[0].ID != anID(2) {
		t.Fatalf("%+v %v", list, err)
	}
	for name, use := range map[string]func() error{
		"announce.empty":   func() error { return words.Send(c.ctx, c.anna, c.id, anID(3), " \n ", true, nil) },
		"announce.long":    func() error { return words.Send(c.ctx, c.anna, c.id, anID(3), strings.Repeat("ä", 5001), true, nil) },
		"announce.control": func() error { return words.Send(c.ctx, c.anna, c.id, anID(3), "a\x1b[31m", true, nil) },
		"announce.nobody":  func() error { return words.Send(c.ctx, c.anna, c.id, anID(3), "Hello", false, []string{"!!"}) },
		"announce.unknown": func() error { return words.Send(c.ctx, c.anna, c.id, "1", "Hello", true, nil) },
	} {
		c.wantFault(use(), name)
	}
	c.finish()
	c.wantFault(words.Send(c.ctx, c.anna, c.id, anID(3), "Hello", false, []string{"gone"}), "announce.nobody")
	ben := c.account("ben@example.org")
	other, _, err := c.orders.Order(c.ctx, ben, controlplane.OrderRequest{Plan: "basic", Name: "ben", FirstAdmin: "ben", Language: "en"})
	c.must(err)
	c.reconcile(other)
	c.wantFault(words.Send(c.ctx, ben, other, anID(1), "Hello", true, nil), "announce.unknown")
	_, err = words.Find(c.ctx, ben, other, anID(1))
	c.wantFault(err, "announce.unknown")
}

// A long announcement takes turns, and every other operation goes before its next one.
func TestAnnouncementGivesWay(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.people(30)
	clock := time.Now()
	c.worker.Now = func() time.Time { return clock }
	c.house.after = func(string) { clock = clock.Add(time.Second) } // a server that takes its time with each
	c.must(c.words().Send(c.ctx, c.anna, c.id, anID(1), "Hello", true, nil))
	operation := ""
	c.must(c.pool.QueryRow(c.ctx, `select id::text from operations where kind = 'announce'`).Scan(&operation))
	work := func() {
		c.Helper()
		c.must(c.worker.Work(c.ctx, &river.Job[controlplane.OperationArgs]{Args: controlplane.OperationArgs{Operation: operation}}))
	}
	work()
	if a := c.announcement(1); a.Finished || a.Sent != 3 {
		t.Fatalf("after a turn of two seconds: %+v", a)
	}
	other, err := c.request(c.id, "m001", controlplane.OperationSetPassword)
	c.must(err)
	rows, err := c.pool.Query(c.ctx, `select args->>'operation' from river_job where kind = 'operation'
		and (args->>'operation' = $2 or args->>'operation' = $1 and priority > 1) order by priority, scheduled_at, id`, operation, other)
	c.must(err)
	order, err := pgx.CollectRows(rows, pgx.RowTo[string])
	c.must(err)
	if len(order) != 2 || order[0] != other || order[1] != operation {
		t.Fatalf("queue %v: the announcement's next turn is not behind %s", order, other)
	}
	turns := 1
	for ; !c.announcement(1).Finished; turns++ {
		work()
	}
	if a := c.announcement(1); a.Sent != 31 || turns != 11 {
		t.Fatalf("%d turns, %+v", turns, a)
	}
	if done := c.count(`select done from operations where id::text = $1`, operation); done != 31 {
		t.Fatalf("progress ends at %d", done)
	}
}

func TestRecipientsAreFound(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.people(30)
	c.exec(`update members set state = 'deactivated' where localpart = 'm002'`)
	found, total, err := c.words().Recipients(c.ctx, c.anna, c.id, " MEMBER 1")
	if err != nil || total != 30 || len(found) != 11 || found[0].Localpart != "m001" || found[0].DisplayName != "Member 1" {
		t.Fatalf("%d of %d %+v %v", len(found), total, found, err)
	}
	if found, _, err = c.words().Recipients(c.ctx, c.anna, c.id, "%"); err != nil || len(found) != 0 {
		t.Fatalf("%+v %v", found, err)
	}
}

// A deleted server takes its announcements along, with whom they were for.
func TestAnnouncementsGoWithTheirServer(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.people(3)
	c.must(c.words().Send(c.ctx, c.anna, c.id, anID(1), "Hello", true, nil))
	c.must(controlplane.NewServers(controlplane.ServersConfig{Store: c.store}).Delete(c.ctx, c.anna, c.id, "anna.hafen.test"))
	c.exec(`update tenants set delete_after = now()`)
	c.reconcile(c.id)
	c.wantStatus(c.id, tenant.Deleted)
	if n := c.count(`select (select count(*) from announcements) + (select count(*) from announcement_recipients)`); n != 0 {
		t.Fatalf("%d rows are left", n)
	}
}
