package provisioner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// connect binds the tenant's engine to its running server. It does no input or output.
func (p *Provisioner) connect(spec tenant.Spec, secrets map[string][]byte) (homeserver.Server, error) {
	engine, err := p.engine(spec)
	if err != nil {
		return nil, err
	}
	return engine.Connect(homeserver.Access{
		Spec: spec, Secrets: secrets,
		HTTP: &http.Client{
			Transport: &http.Transport{
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return dialSocket(ctx, p.files.sockets(spec.ID), spec.UID())
				},
				// Nobody closes idle connections of the many clients made here, and a new one costs 0.1 ms.
				DisableKeepAlives: true,
			},
			Timeout: 30 * time.Second,
			// A homeserver that was taken over must not send us elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Database: func(ctx context.Context) (*pgx.Conn, error) {
			return p.database.Connect(ctx, spec.ID, secrets[homeserver.DatabasePassword])
		},
	}), nil
}

var errNoSocket = errors.New("what lies where the socket should be is not the tenant's socket")

// dialSocket connects to the tenant's socket, and only to it. The directory is the tenant's to write: whoever took over
// a homeserver can put a symbolic link there, to Docker's own socket say, and we, as root, would follow it. So the file
// is opened without following, looked at, and then connected to by its descriptor, which nobody can exchange.
func dialSocket(ctx context.Context, dir string, owner int) (net.Conn, error) {
	parent, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the socket's directory: %w", err)
	}
	defer unix.Close(parent)
	file, err := unix.Openat(parent, homeserver.SocketName, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the socket: %w", err)
	}
	defer unix.Close(file)
	var stat unix.Stat_t
	if err := unix.Fstat(file, &stat); err != nil {
		return nil, fmt.Errorf("look at the socket: %w", err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFSOCK || int(stat.Uid) != owner {
		return nil, errNoSocket
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "unix", "/proc/self/fd/"+strconv.Itoa(file))
}
