package homeserver

import (
	"context"
	"time"

	"hafen/tenant"
)

// Limited answers everything that an engine may be unable to do with [Unsupported]. An engine embeds it in its Server and
// overrides what it can, so what it forgets is refused, with a sentence for the screen, and never done by half.
type Limited struct{ Engine tenant.EngineName }

func (l Limited) cannot(c Capability) error { return &Unsupported{Engine: l.Engine, Capability: c} }

// SetAdmin implements [Accounts].
func (l Limited) SetAdmin(context.Context, tenant.Localpart, bool) error { return l.cannot(SetAdmin) }

// List implements [Accounts].
func (l Limited) List(context.Context, AccountQuery) (AccountPage, error) {
	return AccountPage{}, l.cannot(ListAccounts)
}

// Deactivate implements [Lifecycle].
func (l Limited) Deactivate(context.Context, tenant.Localpart, bool) error {
	return l.cannot(Deactivate)
}

// Reactivate implements [Lifecycle].
func (l Limited) Reactivate(context.Context, tenant.Localpart, string) error {
	return l.cannot(Reactivate)
}

// Lock implements [Lifecycle].
func (l Limited) Lock(context.Context, tenant.Localpart, bool) error { return l.cannot(Lock) }

// ListDevices implements [Devices].
func (l Limited) ListDevices(context.Context, tenant.Localpart) ([]Device, error) {
	return nil, l.cannot(ListDevices)
}

// SignOut implements [Devices].
func (l Limited) SignOut(context.Context, tenant.Localpart, ...string) error {
	return l.cannot(SignOut)
}

// ListRooms implements [Rooms].
func (l Limited) ListRooms(context.Context, RoomQuery) (RoomPage, error) {
	return RoomPage{}, l.cannot(ListRooms)
}

// DeleteRoom implements [Rooms].
func (l Limited) DeleteRoom(context.Context, string) (bool, error) {
	return false, l.cannot(DeleteRoom)
}

// MediaUsers implements [Media].
func (l Limited) MediaUsers(context.Context, Page) (MediaUserPage, error) {
	return MediaUserPage{}, l.cannot(ListMedia)
}

// ListMedia implements [Media].
func (l Limited) ListMedia(context.Context, MediaQuery) (MediaPage, error) {
	return MediaPage{}, l.cannot(ListMedia)
}

// DeleteMedia implements [Media].
func (l Limited) DeleteMedia(context.Context, string) (Stored, error) {
	return Stored{}, l.cannot(DeleteMedia)
}

// Quarantine implements [Media].
func (l Limited) Quarantine(context.Context, string, bool) error { return l.cannot(QuarantineMedia) }

// CountRemote implements [RemoteMedia].
func (l Limited) CountRemote(context.Context, time.Time) (Stored, error) {
	return Stored{}, l.cannot(PurgeRemoteMedia)
}

// PurgeRemote implements [RemoteMedia].
func (l Limited) PurgeRemote(context.Context, time.Time) (Stored, error) {
	return Stored{}, l.cannot(PurgeRemoteMedia)
}

// Notify implements [Notices].
func (l Limited) Notify(context.Context, tenant.Localpart, string, string) error {
	return l.cannot(SendNotice)
}
