package web

import (
	"errors"
	"net/http"
	"strconv"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func addonPath(slug string) string { return "/operator/addons/" + slug }

// showAddons lists the add-ons.
func (s *Server) showAddons(r *request) error {
	lines, err := s.Plans.Addons(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	vm := templates.OperatorSale{Kind: templates.SaleAddons}
	for _, line := range lines {
		newest := line.Newest()
		vm.Rows = append(vm.Rows, templates.SaleRow{
			Slug: line.Slug, Name: newest.Name.In(r.locale.Code()), Newest: addonVersionView(r, newest),
			Servers: line.Servers(), Older: line.Servers() - newest.Servers,
		})
	}
	return r.ok(templates.OperatorSalePage(s.page(r), vm))
}

func addonVersionView(r *request, v controlplane.AddonVersion) templates.SaleVersion {
	price := priceView(v.Price, v.Price.VAT(v.VATRate), v.VATRate)
	return templates.SaleVersion{
		ID: string(v.ID), Version: v.Version, State: string(v.State), Price: price, Holds: templates.AddonLine(r.locale, string(v.Kind), v.Amount),
		CreatedAt: v.CreatedAt, CreatedBy: v.CreatedBy, Servers: v.Servers,
	}
}

func (s *Server) showAddon(r *request) error {
	line, err := s.Plans.FindAddon(r.ctx(), r.actor(), r.Param("slug"))
	if err != nil {
		return err
	}
	newest := line.Newest()
	vm := templates.OperatorAddon{Slug: line.Slug, Name: newest.Name.In(r.locale.Code()), Sold: newest.Visible}
	for _, v := range line.Versions {
		vm.Versions = append(vm.Versions, addonVersionView(r, v))
	}
	return r.ok(templates.OperatorAddonPage(s.page(r), vm))
}

func (s *Server) showNewAddon(r *request) error {
	addon := tenant.Addon{Kind: tenant.AddonSeats, Amount: 5, Price: tenant.Money{Currency: "EUR"}, VATRate: 19, Most: 10, Visible: true}
	return s.addonFormPage(r, http.StatusOK, nil, templates.Form{Values: fieldValues(r, tenant.AddonFields, addon)})
}

func (s *Server) createAddon(r *request) error {
	in, err := r.form(fieldNames(tenant.AddonFields)...)
	if err != nil {
		return err
	}
	var addon tenant.Addon
	if err = tenant.Fill(tenant.AddonFields, &addon, fieldTexts(r, in.values)); err == nil {
		err = s.Plans.CreateAddon(r.ctx(), r.actor(), addon)
	} else {
		err = errors.Join(err, addon.Check())
	}
	if form, wrong := in.wrong(err); wrong {
		return s.addonFormPage(r, http.StatusUnprocessableEntity, nil, form)
	}
	if err != nil {
		return err
	}
	return r.done(addonPath(addon.Slug), flashAddonSaved)
}

func (s *Server) showAddonForm(r *request) error {
	line, err := s.Plans.FindAddon(r.ctx(), r.actor(), r.Param("slug"))
	if err != nil {
		return err
	}
	form := templates.Form{Values: fieldValues(r, tenant.AddonFields, line.Newest().Addon)}
	form.Values["version"] = strconv.Itoa(line.Newest().Version)
	return s.addonFormPage(r, http.StatusOK, &line, form)
}

func (s *Server) saveAddon(r *request) error {
	in, err := r.form(fieldNames(tenant.AddonFields, "version")...)
	if err != nil {
		return err
	}
	line, err := s.Plans.FindAddon(r.ctx(), r.actor(), r.Param("slug"))
	if err != nil {
		return err
	}
	addon := line.Newest().Addon
	err = tenant.Fill(tenant.AddonFields, &addon, fieldTexts(r, in.values))
	addon.Slug = line.Slug // it stands in the address
	changed := false
	if err == nil {
		after, _ := strconv.Atoi(in.get("version")) // none is outdated
		changed, err = s.Plans.ChangeAddon(r.ctx(), r.actor(), after, addon)
	} else {
		err = errors.Join(err, addon.Check())
	}
	if form, wrong := in.wrong(err); wrong {
		return s.addonFormPage(r, http.StatusUnprocessableEntity, &line, form)
	}
	if err != nil {
		return err
	}
	return r.done(addonPath(addon.Slug), savedOrNot(changed, flashAddonSaved))
}

// addonFormPage shows an add-on's form; line is nil for a new one.
func (s *Server) addonFormPage(r *request, status int, line *controlplane.AddonLine, form templates.Form) error {
	vm := templates.SaleForm{Kind: templates.SaleAddons, Form: form}
	path := "/operator/new/addon"
	if line != nil {
		vm.Slug, vm.Name, vm.Servers = line.Slug, line.Newest().Name.In(r.locale.Code()), line.Servers()
		path = addonPath(line.Slug) + "/edit"
	}
	return r.render(status, templates.SaleFormPage(at(s.page(r), path), vm))
}

func (s *Server) showAddonInSale(r *request) error { return s.setAddonSale(r, true, flashSaleShown) }

func (s *Server) hideAddon(r *request) error { return s.setAddonSale(r, false, flashSaleHidden) }

func (s *Server) setAddonSale(r *request, visible bool, message flash) error {
	if err := s.Plans.ShowAddon(r.ctx(), r.actor(), r.Param("slug"), visible); err != nil {
		return err
	}
	return r.done(addonPath(r.Param("slug")), message)
}
