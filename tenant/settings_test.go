package tenant_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"hafen/tenant"
)

func TestSettingsCheck(t *testing.T) {
	t.Parallel()
	island := tenant.Quota{UploadBytes: 50 << 20}
	federating := tenant.Quota{UploadBytes: 50 << 20, Federation: tenant.FederationOpen}
	for name, test := range map[string]struct {
		quota  tenant.Quota
		change func(*tenant.Settings)
		want   string
	}{
		"default":              {federating, func(*tenant.Settings) {}, ""},
		"federation by plan":   {island, func(s *tenant.Settings) { s.Federation = tenant.FederationOpen }, "settings.plan"},
		"an unknown mode":      {federating, func(s *tenant.Settings) { s.Federation = "some" }, "settings.federation"},
		"a list of nobody":     {federating, func(s *tenant.Settings) { s.Federation = tenant.FederationList }, "settings.partners"},
		"a list":               {federating, partners("a.example", "b.example"), ""},
		"no domain":            {federating, partners("a.example", "b example"), "settings.partner"},
		"too many":             {federating, partners(strings.Split(strings.Repeat("a.example ", tenant.MostPartners+1), " ")...), "settings.partners"},
		"capitals":             {federating, partners("A.example"), "settings.partner"},
		"retention":            {island, func(s *tenant.Settings) { s.RetentionDays = -1 }, "settings.retention"},
		"an age":               {island, func(s *tenant.Settings) { s.RetentionDays = 4000 }, "settings.retention"},
		"upload beyond plan":   {island, func(s *tenant.Settings) { s.UploadBytes = 51 << 20 }, "settings.upload"},
		"upload of nothing":    {island, func(s *tenant.Settings) { s.UploadBytes = 5 }, "settings.upload"},
		"name of two lines":    {island, func(s *tenant.Settings) { s.Name = "a\nb" }, "settings.name"},
		"welcome of two lines": {island, func(s *tenant.Settings) { s.Welcome = "a\nb" }, ""},
		"a long welcome":       {island, func(s *tenant.Settings) { s.Welcome = strings.Repeat("ä", 2001) }, "settings.welcome"},
		"email":                {island, func(s *tenant.Settings) { s.Support.Email = "Anna <anna@a.example>" }, "settings.email"},
		"matrix id":            {island, func(s *tenant.Settings) { s.Support.MatrixID = "anna:a.example" }, "settings.matrix_id"},
		"matrix id, port":      {island, func(s *tenant.Settings) { s.Support.MatrixID = "@anna:a.example:8448" }, ""},
		"page":                 {island, func(s *tenant.Settings) { s.Support.Page = "javascript:alert(1)" }, "settings.page"},
		"page over http":       {island, func(s *tenant.Settings) { s.Support.Page = "http://a.example" }, "settings.page"},
		"a whole contact": {island, func(s *tenant.Settings) {
			s.Support = tenant.Support{Email: "a@a.example", MatrixID: "@a:a.example", Page: "https://a.example/help"}
		}, ""},
	} {
		settings := tenant.DefaultSettings(test.quota)
		test.change(&settings)
		got := ""
		if err := settings.Check(test.quota); err != nil {
			got = tenant.FaultOf(err).Code
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestLiveSettingsNeedNoRestart(t *testing.T) {
	t.Parallel()
	for i := range reflect.TypeFor[tenant.Settings]().NumField() {
		var changed tenant.Settings
		field := reflect.ValueOf(&changed).Elem().Field(i)
		switch field.Kind() {
		case reflect.Bool:
			field.SetBool(true)
		case reflect.String:
			field.SetString("x")
		case reflect.Int, reflect.Int64:
			field.SetInt(1)
		case reflect.Slice:
			changed.Partners = []tenant.Domain{"a.example"}
		case reflect.Struct:
			changed.Support.Email = "a@a.example"
		}
		name, _, _ := strings.Cut(reflect.TypeFor[tenant.Settings]().Field(i).Tag.Get("json"), ",")
		if live := slices.Contains(tenant.LiveSettings, name); live == changed.Restarts(tenant.Settings{}) {
			t.Errorf("%s: live %v, a restart %v", name, live, live)
		}
	}
}

func partners(names ...string) func(*tenant.Settings) {
	return func(s *tenant.Settings) {
		s.Federation = tenant.FederationList
		for _, name := range names {
			s.Partners = append(s.Partners, tenant.Domain(name))
		}
	}
}

func TestSettingsWithin(t *testing.T) {
	t.Parallel()
	wanted := tenant.Settings{Federation: tenant.FederationList, Partners: []tenant.Domain{"a.example"}, UploadBytes: 100}
	island := wanted.Within(tenant.Quota{UploadBytes: 50})
	if island.Federation != tenant.FederationOff || island.Partners != nil || island.UploadBytes != 50 {
		t.Errorf("an island: %+v", island)
	}
	if s := wanted.Within(tenant.Quota{Federation: tenant.FederationOpen, UploadBytes: 200}); s.Federation != tenant.FederationList || s.UploadBytes != 100 {
		t.Errorf("a plan that allows all: %+v", s)
	}
	if !wanted.Restarts(island) || island.Restarts(tenant.Settings{Federation: tenant.FederationOff, Name: "School", UploadBytes: 7}) {
		t.Error("a restart for what the edge decides, or none for what the homeserver reads")
	}
}
