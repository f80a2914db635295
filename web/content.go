package web

import (
	"math"
	"net/http"
	"net/url"
	"strconv"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// pageNumber is the page of a list in the address; what is no number is the first.
func (r *request) pageNumber() int {
	n, err := strconv.Atoi(r.QueryParam("page"))
	if err != nil || n < 1 || n > math.MaxInt32/controlplane.ItemsPerPage {
		return 1
	}
	return n
}

// slice is the part of a list that a page shows.
func slice(page int) homeserver.Page {
	return homeserver.Page{Offset: (page - 1) * controlplane.ItemsPerPage, Limit: controlplane.ItemsPerPage}
}

// pagerOf leads through a list of which each page has so many.
func pagerOf(page, perPage, total int, address func(page int) string) templates.Pager {
	p := templates.Pager{Page: page, Pages: max((total+perPage-1)/perPage, 1), Total: total}
	if page > 1 {
		p.Prev = address(min(page-1, p.Pages))
	}
	if page < p.Pages {
		p.Next = address(page + 1)
	}
	return p
}

// unanswered is the code of why a homeserver did not answer a question, to be told in the page that asked; all else is an error.
func unanswered(err error) (string, error) {
	if err == nil {
		return "", nil
	}
	switch fault := tenant.FaultOf(err); fault.Code {
	case "server.unavailable", "server.slow", "status.not_active", "engine.unsupported", "operation.unreadable":
		return fault.Code, nil
	default:
		return "", err
	}
}

// contentStatus is the status of a page in which something is missing. One whose server is slow is complete but for its list,
// and asks to be loaded again.
func contentStatus(problem string) int {
	switch problem {
	case "server.unavailable", "operation.unreadable":
		return http.StatusServiceUnavailable
	default:
		return http.StatusOK
	}
}

// workView is one long operation; the caller adds what it is about.
func workView(w controlplane.Work) templates.Deletion {
	view := templates.Deletion{
		Kind: string(w.Kind), State: templates.WorkOpen, Failure: w.Code, Actor: w.Actor, At: w.CreatedAt, Freed: w.Done, Expected: w.Total,
	}
	switch {
	case w.Finished && w.Code != "":
		view.State = templates.WorkFailed
	case w.Finished:
		view.State = templates.WorkDone
	case w.Kind != controlplane.OperationDeleteRoom && w.Attempts > 3:
		view.State = templates.WorkLate // a room's deletion is looked at again and again, the others end or fail
	}
	if w.Finished && w.Before != nil && w.After != nil {
		view.Before, view.After = w.Before.DatabaseBytes+w.Before.MediaBytes, w.After.DatabaseBytes+w.After.MediaBytes
	}
	return view
}

// showWork answers a page that watches operations: with the list, or, when fewer are open than the page knows of, by loading it anew.
func (r *request) showWork(list templates.Deletions) error {
	if open, err := strconv.Atoi(r.QueryParam("open")); err == nil && list.Open() < open {
		return r.ok(leave(list.Page))
	}
	return r.ok(templates.DeletionList(r.locale, list))
}

// watched completes a list of operations with where it is asked for again, and where its page is.
func (r *request) watched(list []templates.Deletion, path, page string) templates.Deletions {
	d := templates.Deletions{List: list, Page: page}
	d.URL = path + "?" + url.Values{"open": {strconv.Itoa(d.Open())}, "page": {page}}.Encode()
	return d
}
