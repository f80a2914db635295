package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	insertPasswordLinks = `
insert into tokens (hash, purpose, tenant_id, localpart, expires_at, made_by)
select l.hash, 'member_password', $1, l.localpart, now() + $4::interval, nullif($5, '')::uuid
from unnest($2::bytea[], $3::text[]) as l(hash, localpart)
join members m on m.tenant_id = $1 and m.localpart = l.localpart and m.state = 'active'`
	findPasswordLink = `
select t.id, k.localpart, t.server_name, t.host, t.engine, t.language, k.used_at is not null, k.expires_at <= now()
from tokens k join tenants t on t.id = k.tenant_id where k.hash = $1 and k.purpose = 'member_password'`
	usePasswordLink = `
update tokens set used_at = now() where hash = $1 and purpose = 'member_password' and used_at is null and expires_at > now()`
)

// CreatePasswordLinks keeps links, and the mails that carry them.
func (s *Store) CreatePasswordLinks(ctx context.Context, r controlplane.PasswordLinkRequest) error {
	return s.inTx(ctx, "create password links", func(tx pgx.Tx) error { return s.createPasswordLinks(ctx, tx, r) })
}

func (s *Store) createPasswordLinks(ctx context.Context, tx pgx.Tx, r controlplane.PasswordLinkRequest) error {
	if err := mayLink(ctx, tx, r.Actor, r.Tenant); err != nil {
		return err
	}
	hashes, who := make([][]byte, len(r.Links)), make([]string, len(r.Links))
	for i, l := range r.Links {
		hashes[i], who[i] = l.Hash, string(l.Localpart)
	}
	tag, err := tx.Exec(ctx, insertPasswordLinks, r.Tenant, hashes, who, r.Lifetime, r.Actor.Account)
	if err != nil {
		return err
	}
	if int(tag.RowsAffected()) != len(r.Links) {
		return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"}
	}
	for _, l := range r.Links {
		if l.Mail != nil {
			if err := s.queueMail(ctx, tx, *l.Mail); err != nil {
				return err
			}
		}
	}
	if len(who) == 1 {
		return s.audit(ctx, tx, r.Actor, "member.password_link", r.Tenant, map[string]any{"member": who[0], "mailed": r.Links[0].Mail != nil})
	}
	return s.audit(ctx, tx, r.Actor, "member.password_links", r.Tenant, map[string]any{"members": who})
}

// FindPasswordLink looks a link up without using it.
func (s *Store) FindPasswordLink(ctx context.Context, token string) (l controlplane.PasswordLink, err error) {
	var used, expired bool
	err = s.pool.QueryRow(ctx, findPasswordLink, controlplane.HashToken(token)).
		Scan(&l.Tenant, &l.Localpart, &l.Server, &l.Host, &l.Engine, &l.Language, &used, &expired)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return l, &tenant.Fault{Kind: tenant.NotFound, Code: "token.unknown"}
	case err != nil:
		return l, fmt.Errorf("find password link: %w", translate(err))
	case used:
		return l, &tenant.Fault{Kind: tenant.Conflict, Code: "token.used"}
	case expired:
		return l, &tenant.Fault{Kind: tenant.Conflict, Code: "token.expired"}
	}
	return l, nil
}

// UsePasswordLink uses the link up and records the operation, with which the member's other links die.
func (s *Store) UsePasswordLink(ctx context.Context, token string, sealed []byte) (operation string, err error) {
	link, err := s.FindPasswordLink(ctx, token)
	if err != nil {
		return "", err
	}
	err = s.inTx(ctx, "use password link", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, usePasswordLink, controlplane.HashToken(token))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "token.used"}
		}
		operation, err = s.requestMember(ctx, tx, controlplane.MemberRequest{
			Actor: controlplane.Actor{Email: link.Localpart.UserID(link.Server)}, Tenant: link.Tenant, Localpart: link.Localpart,
			Kind: controlplane.OperationSetPassword, Sealed: sealed,
		})
		return err
	})
	return operation, err
}
