package tenant_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hafen/tenant"
)

func TestParseCents(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"4": 400, "4,00": 400, "4.00": 400, " 4,5 ": 450, "4.35": 435, "0": 0, "-0": 0, "0,07": 7, "1000000": tenant.MostCents, "007": 700,
	} {
		if got, err := tenant.ParseCents(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for text, code := range map[string]string{
		"": "price.format", "-": "price.format", "4,": "price.format", ",50": "price.format", "4.005": "price.format", "1.000,00": "price.format",
		"1.000": "price.format", "4 00": "price.format", "4€": "price.format", "1e3": "price.format", "+4": "price.format", "٤": "price.format", "0x10": "price.format",
		"--4": "price.format", "-4": "price.negative", "-0,01": "price.negative", "1000000,01": "price.high", strings.Repeat("9", 400): "price.high",
	} {
		if got, err := tenant.ParseCents(text); tenant.FaultOf(err).Code != code || got != 0 {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestAmountsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(0, tenant.MostCents).Draw(t, "cents")
		for _, text := range []string{tenant.FormatCents(cents), strings.Replace(tenant.FormatCents(cents), ".", ",", 1)} {
			if got, err := tenant.ParseCents(text); err != nil || got != cents {
				t.Fatalf("%d is written %q and read %d, %v", cents, text, got, err)
			}
		}
		size := rapid.Int64Range(0, 1<<60).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "round") {
			size = size % 5000 * 1_000_000_000
		}
		if got, err := tenant.ParseBytes(tenant.FormatBytes(size)); err != nil || got != size {
			t.Fatalf("%d is written %q and read %d, %v", size, tenant.FormatBytes(size), got, err)
		}
	})
}

func TestParseBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"20 GB": 20_000_000_000, "20gb": 20_000_000_000, "0,5 GB": 500_000_000, "1.5 TB": 1_500_000_000_000, "384 MiB": 384 << 20, "1 GiB": 1 << 30, "7 B": 7, "50 kB": 50_000,
	} {
		if got, err := tenant.ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "20", "GB", "-1 GB", "1,5 MiB", "1.0000000001 GB", "20 GBit", "a GB", "1 000 GB"} {
		if got, err := tenant.ParseBytes(text); tenant.FaultOf(err).Code != "size.format" {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	if got, err := tenant.ParseBytes(strings.Repeat("9", 50) + " TB"); err != nil || got < 1<<60 {
		t.Errorf("more than there is: %d, %v", got, err) // beyond every bound, never wrapped around
	}
	if got, err := tenant.ParseBytes("99999999999 GiB"); err != nil || got < 1<<60 {
		t.Errorf("more than there is: %d, %v", got, err)
	}
}

// soundPlan is one that has nothing wrong with it.
func soundPlan() tenant.Plan {
	return tenant.Plan{
		Slug: "basic", Name: tenant.Text{EN: "Basic"}, Price: tenant.Money{Cents: 400, Currency: "EUR"}, VATRate: 19, Period: tenant.Monthly,
		Quota:   tenant.Quota{Seats: 5, StorageBytes: 20e9, UploadBytes: 50e6, Federation: tenant.FederationOff},
		Limits:  tenant.Limits{MemoryBytes: 384 << 20, CPUMillis: 1000, PIDs: 256, DatabaseConnections: 15},
		Engines: []tenant.EngineName{tenant.Synapse},
	}
}

func TestPlanCheck(t *testing.T) {
	t.Parallel()
	now := time.Now()
	if err := soundPlan().Check(now); err != nil {
		t.Fatal(err)
	}
	early := now.Add(-time.Hour)
	for name, c := range map[string]struct {
		change      func(*tenant.Plan)
		code, field string
	}{
		"negative price":    {func(p *tenant.Plan) { p.Price.Cents = -1 }, "price.negative", "price"},
		"huge price":        {func(p *tenant.Plan) { p.Price.Cents = tenant.MostCents + 1 }, "price.high", "price"},
		"no seats":          {func(p *tenant.Plan) { p.Quota.Seats = 0 }, "number.range", "seats"},
		"negative seats":    {func(p *tenant.Plan) { p.Quota.Seats = -5 }, "number.range", "seats"},
		"too many seats":    {func(p *tenant.Plan) { p.Quota.Seats = 100_001 }, "number.range", "seats"},
		"no storage":        {func(p *tenant.Plan) { p.Quota.StorageBytes, p.Quota.UploadBytes = 0, 1000 }, "size.range", "storage"},
		"upload > storage":  {func(p *tenant.Plan) { p.Quota.UploadBytes = 21e9 }, "size.range", "upload"},
		"unknown currency":  {func(p *tenant.Plan) { p.Price.Currency = "JPY" }, "choice.unknown", "currency"},
		"no currency":       {func(p *tenant.Plan) { p.Price.Currency = "" }, "choice.unknown", "currency"},
		"tax":               {func(p *tenant.Plan) { p.VATRate = 101 }, "number.range", "vat_rate"},
		"period":            {func(p *tenant.Plan) { p.Period = "week" }, "choice.unknown", "period"},
		"trial":             {func(p *tenant.Plan) { p.TrialDays = 366 }, "number.range", "trial_days"},
		"no engine":         {func(p *tenant.Plan) { p.Engines = nil }, "choice.unknown", "engines"},
		"unknown engine":    {func(p *tenant.Plan) { p.Engines = []tenant.EngineName{"conduit"} }, "choice.unknown", "engines"},
		"engine twice":      {func(p *tenant.Plan) { p.Engines = append(p.Engines, p.Engines...) }, "choice.unknown", "engines"},
		"federation":        {func(p *tenant.Plan) { p.Quota.Federation = "maybe" }, "choice.unknown", "federation"},
		"no name":           {func(p *tenant.Plan) { p.Name.EN = "" }, "words.empty", "name"},
		"long name":         {func(p *tenant.Plan) { p.Name.DE = strings.Repeat("ä", 61) }, "words.long", "name_de"},
		"two lines":         {func(p *tenant.Plan) { p.Description.EN = "a\nb" }, "words.control", "description"},
		"slug":              {func(p *tenant.Plan) { p.Slug = "Basic.2" }, "slug.format", "slug"},
		"memory":            {func(p *tenant.Plan) { p.Limits.MemoryBytes = 1 }, "size.range", "memory"},
		"no cpu":            {func(p *tenant.Plan) { p.Limits.CPUMillis = 0 }, "number.range", "cpu_millis"},
		"pids":              {func(p *tenant.Plan) { p.Limits.PIDs = 0 }, "number.range", "pids"},
		"connections":       {func(p *tenant.Plan) { p.Limits.DatabaseConnections = 0 }, "number.range", "database_connections"},
		"backups":           {func(p *tenant.Plan) { p.Backups = -1 }, "number.range", "backups"},
		"position":          {func(p *tenant.Plan) { p.Position = -1 }, "number.range", "position"},
		"ends before today": {func(p *tenant.Plan) { p.ValidUntil = &early }, "time.order", "valid_until"},
		"ends before it begins": {func(p *tenant.Plan) {
			p.ValidFrom = now.Add(48 * time.Hour)
			until := now.Add(24 * time.Hour)
			p.ValidUntil = &until
		}, "time.order", "valid_until"},
	} {
		plan := soundPlan()
		c.change(&plan)
		faults := tenant.FaultsOf(plan.Check(now))
		if len(faults) != 1 || faults[0].Code != c.code || faults[0].Field != c.field || faults[0].Kind != tenant.Invalid {
			t.Errorf("%s: %v", name, plan.Check(now))
		}
	}
	if faults := tenant.FaultsOf((tenant.Plan{}).Check(now)); len(faults) < 10 {
		t.Errorf("of an empty plan only %d things are wrong", len(faults))
	}
}

func TestFieldsSayWhatTheyRead(t *testing.T) {
	t.Parallel()
	plan := soundPlan()
	until := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	plan.ValidUntil, plan.Visible, plan.Description = &until, true, tenant.Text{EN: "a, b", DE: "ä"}
	var again tenant.Plan
	err := tenant.Fill(tenant.PlanFields, &again, func(name string) (string, bool) {
		for _, f := range tenant.PlanFields {
			if f.Name == name {
				return f.Get(&plan), true
			}
		}
		return "", false
	})
	if changes := tenant.Changed(tenant.PlanFields, plan, again); err != nil || len(changes) != 0 {
		t.Errorf("%v, %v", changes, err)
	}
	err = tenant.Fill(tenant.PlanFields, &again, func(string) (string, bool) { return "?", true })
	for _, fault := range tenant.FaultsOf(err) {
		if fault.Field == "" {
			t.Errorf("%s names no field", fault.Code)
		}
	}
}

func TestAddonsNeverSumToMoreThanThereIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		addon := tenant.Addon{
			Slug: "a", Name: tenant.Text{EN: "A"}, Price: tenant.Money{Currency: "EUR"}, Kind: rapid.SampledFrom([]tenant.AddonKind{tenant.AddonSeats, tenant.AddonStorage}).Draw(t, "kind"),
			Amount: rapid.Int64().Draw(t, "amount"), Most: rapid.Int().Draw(t, "most"),
		}
		if addon.Check() != nil {
			return
		}
		quota := tenant.Quota{Seats: 100_000, StorageBytes: 1e15}.With(addon, addon.Most)
		if quota.Seats < 100_000 || quota.StorageBytes < 1e15 || quota.Seats > 200_000 || quota.StorageBytes > 2e15 {
			t.Fatalf("%+v", quota)
		}
	})
}
