package templates

import "strconv"

func refusalWords(l Locale, r Refusal) string {
	params := map[string]string{"Have": strconv.FormatInt(r.Have, 10), "Limit": strconv.FormatInt(r.Limit, 10)}
	if r.Code == "storage" {
		params["Have"], params["Limit"], params["Excess"] = l.Bytes(r.Have), l.Bytes(r.Limit), l.Bytes(r.Have-r.Limit)
	}
	return l.Coded("refusal", r.Code, params)
}

func changeWords(l Locale, o PlanOption) string {
	if o.Kind == "upgrade" {
		return l.T("changeplan.upgrade", "Name", o.Plan.Name)
	}
	return l.T("changeplan.downgrade", "Name", o.Plan.Name)
}

func changeHint(l Locale, o PlanOption) string {
	if o.Kind == "upgrade" {
		return l.T("changeplan.upgrade.hint")
	}
	return l.T("changeplan.downgrade.hint")
}
