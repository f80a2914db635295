package edge

import (
	"context"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialSocket connects to a tenant's socket without following a symbolic link in its place. The directory is the tenant's
// to write: whoever took over a homeserver could link the socket to another tenant's, or to Docker's own, and the edge
// may open them all. So the file is opened without following, looked at, and connected to by its descriptor, which
// nobody can exchange.
func dialSocket(ctx context.Context, dialer net.Dialer, path string) (net.Conn, error) {
	file, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, dialError(path, os.NewSyscallError("open", err))
	}
	defer unix.Close(file)
	var stat unix.Stat_t
	if err := unix.Fstat(file, &stat); err != nil {
		return nil, dialError(path, os.NewSyscallError("fstat", err))
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, dialError(path, os.NewSyscallError("connect", syscall.ENOTSOCK))
	}
	return dialer.DialContext(ctx, "unix", "/proc/self/fd/"+strconv.Itoa(file))
}

// dialError has the form of the net package's own, which tells a caller whether waiting helps.
func dialError(path string, err error) error {
	return &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
}
