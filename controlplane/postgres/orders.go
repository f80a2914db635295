package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const nameHolder = `
select case
	when exists (select from tombstones where server_name = $1) then 'tombstoned'
	when exists (select from reserved_names where server_name = $1) then 'taken'
	when exists (select from tenants where (server_name = $1 or host = $1)
		and status not in ('awaiting_payment', 'awaiting_domain', 'deleted')) then 'taken'
	else '' end`

// NameHolder says who holds a server name: nobody (""), "taken" or "tombstoned".
func (s *Store) NameHolder(ctx context.Context, name tenant.Domain) (string, error) {
	var holder string
	if err := s.pool.QueryRow(ctx, nameHolder, name).Scan(&holder); err != nil {
		return "", fmt.Errorf("find holder of %s: %w", name, translate(err))
	}
	return holder, nil
}

const (
	// No key update: logging in meanwhile, which refers to the account, need not wait.
	lockAccount    = `select from accounts where id = $1 for no key update`
	countUnserving = `select count(*) from tenants where account_id = $1 and active_at is null and status <> 'deleted'`
	insertTenant   = `
insert into tenants (id, account_id, plan_id, server_name, host, engine, status, first_admin, language)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	insertReservedName = `insert into reserved_names (server_name, tenant_id) values ($1, $2)`
	insertDomain       = `insert into domains (tenant_id, token, report) values ($1, $2, $3)`
	insertFirstMember  = `insert into members (tenant_id, localpart, admin, state) values ($1, $2, true, 'reserved')`
	insertOrder        = `
insert into orders (id, account_id, tenant_id, plan_id, provider, net_cents, vat_cents, currency, status, settled_at, coupon, addons, checkout_url)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, case when $9 = 'paid' then now() end, nullif($10, ''), $11, $12)
returning number`
)

// CreateOrder records an order and all that hangs on it in one transaction.
func (s *Store) CreateOrder(ctx context.Context, o controlplane.NewOrder) error {
	status, paid := tenant.AwaitingPayment, "open"
	if o.Terms.Settled {
		status, paid = afterPayment(o.Names.Own), "paid"
	}
	return s.inTx(ctx, "create order", func(tx pgx.Tx) error {
		if err := s.limitOrders(ctx, tx, o.Actor.Account); err != nil {
			return err
		}
		var holder string
		if err := tx.QueryRow(ctx, nameHolder, o.Names.ServerName).Scan(&holder); err != nil {
			return err
		}
		if holder != "" {
			return takenFault(o.Names.Own, holder)
		}
		_, err := tx.Exec(ctx, insertTenant, o.Tenant, o.Actor.Account, o.Request.Plan, o.Names.ServerName, o.Names.Host,
			o.Request.Engine, status, o.Request.FirstAdmin, o.Request.Language)
		if taken(err) {
			return takenFault(o.Names.Own, "taken") // another order got it since the question above
		}
		if err != nil {
			return err
		}
		if o.Names.Own {
			_, err = tx.Exec(ctx, insertDomain, o.Tenant, o.Proof, tenant.DomainReport{Records: o.Records})
		} else {
			_, err = tx.Exec(ctx, insertReservedName, o.Names.ServerName, o.Tenant)
		}
		if taken(err) {
			return takenFault(o.Names.Own, "taken")
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertFirstMember, o.Tenant, o.Request.FirstAdmin); err != nil {
			return err
		}
		var number int64
		err = tx.QueryRow(ctx, insertOrder, o.Order.ID, o.Actor.Account, o.Tenant, o.Request.Plan, o.Provider,
			o.Order.Net.Cents, o.Order.VAT.Cents, o.Order.Net.Currency, paid, o.Order.CouponCode(), orderedPacks(o.Offer),
			o.Terms.CheckoutURL).Scan(&number)
		if err != nil {
			return err
		}
		if err := s.createSubscription(ctx, tx, o); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, o.Actor, "order.create", o.Tenant, map[string]any{
			"order": number, "plan": o.Request.Plan, "server": o.Names.ServerName, "gross_cents": o.Order.Gross().Cents,
			"packs": o.Offer.Choice().Packs, "coupon": o.Request.Coupon,
		}); err != nil {
			return err
		}
		if o.Terms.Settled {
			_, err = s.startSubscription(ctx, tx, o.Actor, o.Tenant, o.Now)
		}
		if err != nil {
			return err
		}
		if !o.Terms.Settled {
			return s.tell(ctx, tx, o.Tenant, controlplane.MailOrderReceived)
		}
		return s.wake(ctx, tx, o.Tenant)
	})
}

const findOrdered = `
select t.id, t.status from tenants t join orders o on o.tenant_id = t.id
where t.account_id = $1 and t.server_name = $2 and t.host = $3 and t.engine = $4 and t.first_admin = $5 and t.active_at is null
	and t.status in ('awaiting_payment', 'awaiting_domain', 'provisioning') and o.plan_id = $6 and o.addons = $7 and coalesce(o.coupon, '') = $8
order by o.number desc limit 1`

// FindOrdered finds an order that another one would only repeat.
func (s *Store) FindOrdered(ctx context.Context, o controlplane.NewOrder) (id tenant.ID, status tenant.Status, err error) {
	err = s.pool.QueryRow(ctx, findOrdered, o.Actor.Account, o.Names.ServerName, o.Names.Host, o.Request.Engine, o.Request.FirstAdmin,
		o.Offer.Plan.ID, orderedPacks(o.Offer), o.Request.Coupon).Scan(&id, &status)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("find order of %s: %w", o.Names.ServerName, translate(err))
	}
	return id, status, nil
}

// orderedPack is what an order's row keeps of an add-on.
type orderedPack struct {
	Addon    tenant.AddonID `json:"addon"`
	Quantity int            `json:"quantity"`
}

func orderedPacks(o controlplane.Offer) []orderedPack {
	packs := make([]orderedPack, 0, len(o.Packs))
	for _, pack := range o.Packs {
		packs = append(packs, orderedPack{pack.Addon.ID, pack.Quantity})
	}
	return packs
}

// limitOrders holds an account's orders in line, so that their count is right, and refuses one too many.
func (s *Store) limitOrders(ctx context.Context, tx pgx.Tx, account string) error {
	if _, err := tx.Exec(ctx, lockAccount, account); err != nil {
		return err
	}
	var open int
	if err := tx.QueryRow(ctx, countUnserving, account).Scan(&open); err != nil {
		return err
	}
	if open >= controlplane.MostOpenOrders {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "order.too_many", Params: map[string]string{"most": strconv.Itoa(controlplane.MostOpenOrders)}}
	}
	return nil
}

// afterPayment is where a paid tenant goes: an own domain must be proven first.
func afterPayment(own bool) tenant.Status {
	if own {
		return tenant.AwaitingDomain
	}
	return tenant.Provisioning
}

func takenFault(own bool, holder string) error {
	if own {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "domain." + holder, Field: "domain"}
	}
	return &tenant.Fault{Kind: tenant.Conflict, Code: "name." + holder, Field: "name"}
}

const orderColumns = `o.id, o.number, o.tenant_id, t.server_name, a.email, o.provider, o.status, o.net_cents, o.vat_cents, o.currency,
	o.created_at, o.settled_at, o.checkout_url, (select seller from billing_settings), ` + planColumns
const orderTables = ` from orders o join tenants t on t.id = o.tenant_id join accounts a on a.id = o.account_id join plans p on p.id = o.plan_id `

func scanOrder(row pgx.CollectableRow) (controlplane.OrderView, error) {
	var o controlplane.OrderView
	err := row.Scan(append([]any{
		&o.ID, &o.Number, &o.Tenant, &o.ServerName, &o.Email, &o.Provider, &o.Status, &o.Net.Cents, &o.VAT.Cents, &o.Net.Currency,
		&o.CreatedAt, &o.SettledAt, &o.CheckoutURL, &o.Seller,
	}, planFields(&o.Plan)...)...)
	o.VAT.Currency = o.Net.Currency
	return o, err
}

const findOrder = `select ` + orderColumns + orderTables + ` where o.tenant_id = $1 order by o.number desc limit 1`

// FindOrder finds the last order of a tenant.
func (s *Store) FindOrder(ctx context.Context, id tenant.ID) (controlplane.OrderView, error) {
	rows, err := s.pool.Query(ctx, findOrder, id)
	if err != nil {
		return controlplane.OrderView{}, fmt.Errorf("find order of %s: %w", id, translate(err))
	}
	order, err := pgx.CollectExactlyOneRow(rows, scanOrder)
	if errors.Is(err, pgx.ErrNoRows) {
		return order, &tenant.Fault{Kind: tenant.NotFound, Code: "order.unknown"}
	}
	if err != nil {
		return order, fmt.Errorf("find order of %s: %w", id, translate(err))
	}
	return order, nil
}

const listOrders = `select ` + orderColumns + orderTables + ` where $1 = '' or o.status = $1 order by o.number desc limit 500`

// ListOrders lists the newest orders of one status, or of all.
func (s *Store) ListOrders(ctx context.Context, status string) ([]controlplane.OrderView, error) {
	rows, err := s.pool.Query(ctx, listOrders, status)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", translate(err))
	}
	return collect(rows, scanOrder, "list orders")
}

const closeOrder = `
update orders set status = $2, settled_at = now() where id = $1 and status = 'open'
returning tenant_id, number, (select exists (select from domains d where d.tenant_id = orders.tenant_id))`

// SettleOrder marks an open order paid and moves its tenant on.
func (s *Store) SettleOrder(ctx context.Context, actor controlplane.Actor, id string) error {
	return s.closeOrder(ctx, actor, id, "paid")
}

// CancelOrder gives an open order up and frees its name.
func (s *Store) CancelOrder(ctx context.Context, actor controlplane.Actor, id string) error {
	return s.closeOrder(ctx, actor, id, "cancelled")
}

func (s *Store) closeOrder(ctx context.Context, actor controlplane.Actor, id, status string) error {
	if !isUUID(id) {
		return &tenant.Fault{Kind: tenant.NotFound, Code: "order.unknown"}
	}
	return s.inTx(ctx, "close order", func(tx pgx.Tx) error { return s.closeOrderIn(ctx, tx, actor, id, status) })
}

// closeOrderIn closes an order; with a paid one begins what is paid for.
func (s *Store) closeOrderIn(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, id, status string) error {
	var (
		who    tenant.ID
		number int64
		own    bool
	)
	err := tx.QueryRow(ctx, closeOrder, id, status).Scan(&who, &number, &own)
	if errors.Is(err, pgx.ErrNoRows) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "order.settled"}
	}
	if err != nil {
		return err
	}
	if err := s.audit(ctx, tx, actor, "order."+status, who, map[string]any{"order": number}); err != nil {
		return err
	}
	t := controlplane.Transition{Tenant: who, To: afterPayment(own)}
	if status == "cancelled" {
		t.To = tenant.Deleted
	}
	// A tenant that its owner began to delete meanwhile stays so; the money is then a matter between people.
	if _, err := s.move(ctx, tx, t); err != nil && tenant.FaultOf(err).Code != "status.conflict" {
		return err
	}
	if status != "paid" {
		return nil
	}
	told, err := s.startSubscription(ctx, tx, actor, who, s.config.Now())
	if err != nil || told {
		return err
	}
	return s.tell(ctx, tx, who, controlplane.MailPaymentReceived)
}
