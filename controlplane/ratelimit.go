package controlplane

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"hafen/tenant"
)

// AttemptStore counts attempts, by the database's clock.
type AttemptStore interface {
	// TakeAttempts counts one more under every key, unless one of them has had its most within its window: then it counts
	// nothing and says how long to wait. Two callers never both get the last one.
	TakeAttempts(ctx context.Context, limits ...Limit) (wait time.Duration, err error)
}

// Limit is how often something may be tried.
type Limit struct {
	Key    string
	Most   int
	Window time.Duration
}

// take counts an attempt or returns a TooMany fault with the minutes to wait.
func (a *Accounts) take(ctx context.Context, code string, limits ...Limit) error {
	return take(ctx, a.Store, code, limits...)
}

func take(ctx context.Context, store AttemptStore, code string, limits ...Limit) error {
	wait, err := store.TakeAttempts(ctx, limits...)
	if err != nil {
		return fmt.Errorf("count an attempt: %w", err)
	}
	if wait <= 0 {
		return nil
	}
	minutes := int((wait + time.Minute - 1) / time.Minute)
	return &tenant.Fault{Kind: tenant.TooMany, Code: code, Params: map[string]string{"minutes": strconv.Itoa(minutes)}}
}

// allow counts an attempt of something that is left undone in silence when it was too many.
func (a *Accounts) allow(ctx context.Context, limits ...Limit) (bool, error) {
	wait, err := a.Store.TakeAttempts(ctx, limits...)
	if err != nil {
		return false, fmt.Errorf("count an attempt: %w", err)
	}
	return wait <= 0, nil
}

// logInLimits: strict for one account from one network, loose for each alone. The loose limit of an account stops guessing
// from many networks, but would let a stranger lock its owner out; so it does not count for networks the owner has used
// before, nor where a new password was set by mail ([afterMail]).
type logInLimits struct{ pair, network, account Limit }

func limitsOfLogIn(email, address string) logInLimits {
	who, from := anonymous(email), network(address)
	return logInLimits{
		pair:    Limit{Key: "login:pair:" + who + ":" + from, Most: 5, Window: 15 * time.Minute},
		network: Limit{Key: "login:network:" + from, Most: 50, Window: 15 * time.Minute}, // a school behind one address
		account: Limit{Key: "login:account:" + who, Most: 100, Window: time.Hour},
	}
}

func (l logInLimits) of(known bool) []Limit {
	if known {
		return []Limit{l.pair, l.network}
	}
	return []Limit{l.pair, l.network, l.account}
}

func signUpLimit(address string) Limit {
	return Limit{Key: "signup:network:" + network(address), Most: 20, Window: time.Hour}
}

func mailRequestLimit(address string) Limit {
	return Limit{Key: "mail:network:" + network(address), Most: 20, Window: time.Hour}
}

// mailLimits keep one mailbox from being filled; a single network cannot use up what others may ask for.
func mailLimits(email, address string) []Limit {
	who := anonymous(email)
	return []Limit{
		{Key: "mail:pair:" + who + ":" + network(address), Most: 4, Window: time.Hour},
		{Key: "mail:account:" + who, Most: 12, Window: time.Hour},
	}
}

// takeMail counts a mail that somebody who manages a server has us send to an address of their choice: we are not to be used to
// fill a mailbox, nor to write to all the world. Fault: invite.too_many.
func takeMail(ctx context.Context, store AttemptStore, id tenant.ID, email string) error {
	err := take(ctx, store, "invite.too_many",
		Limit{Key: "invite:mailbox:" + string(id) + ":" + anonymous(email), Most: 5, Window: time.Hour},
		Limit{Key: "invite:server:" + string(id), Most: 200, Window: time.Hour})
	if fault, refused := errors.AsType[*tenant.Fault](err); refused {
		fault.Field = "email"
	}
	return err
}

// oldPasswordLimit is for guesses at the old password from within a session somebody else left open.
func oldPasswordLimit(account string) Limit {
	return Limit{Key: "password:account:" + account, Most: 10, Window: 15 * time.Minute}
}

// anonymous keeps addresses people typed, perhaps a password in the wrong field, out of the table.
func anonymous(email string) string {
	hash := HashToken(emailKey(email))
	return hex.EncodeToString(hash[:16])
}

// afterMail is the network in which a new password was set by mail, as an account remembers it. It is known to the password
// alone: to the second step a network is known by a whole login, or a mailbox would buy guesses at codes from everywhere.
func afterMail(address string) string { return "mail " + network(address) }

// network is what one person can easily change addresses within: an IPv6 customer gets at least a /64 (RFC 6177).
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}
