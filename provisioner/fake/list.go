package fake

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"hafen/tenant/homeserver"
)

// List implements homeserver.Accounts.
func (s *server) List(_ context.Context, q homeserver.AccountQuery) (homeserver.AccountPage, error) {
	var page homeserver.AccountPage
	err := s.with(func(a *accounts) error {
		var found []homeserver.Account
		for _, account := range a.byName {
			if matches(account, q) {
				found = append(found, account)
			}
		}
		slices.SortFunc(found, func(x, y homeserver.Account) int {
			if q.Descending {
				x, y = y, x
			}
			return compare(x, y, q.Sort)
		})
		page.Total = len(found)
		first := min(max(q.Offset, 0), len(found))
		page.Accounts = found[first:min(first+limit(q.Page), len(found))]
		return nil
	})
	return page, err
}

func matches(a homeserver.Account, q homeserver.AccountQuery) bool {
	search := strings.ToLower(q.Search)
	if !strings.Contains(strings.ToLower(string(a.Localpart)), search) && !strings.Contains(strings.ToLower(a.DisplayName), search) {
		return false
	}
	switch q.State {
	case "active":
		return !a.Deactivated && !a.Locked
	case "deactivated":
		return a.Deactivated
	case "locked":
		return a.Locked
	case "admin":
		return a.Admin
	}
	return true
}

// compare puts two accounts in order; the local part decides between equals.
func compare(x, y homeserver.Account, sort string) int {
	order := 0
	switch sort {
	case "created":
		order = x.Created.Compare(y.Created)
	case "seen":
		order = x.SeenAt.Compare(y.SeenAt)
	}
	return cmp.Or(order, cmp.Compare(x.Localpart, y.Localpart))
}

func limit(p homeserver.Page) int {
	if p.Limit <= 0 {
		return 50
	}
	return p.Limit
}
