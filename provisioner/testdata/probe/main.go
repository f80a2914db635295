// Command probe is what the isolation test runs inside a tenant's namespaces. It reads a list of attempts from its
// standard input and writes what became of each to its standard output.
//
// With an address as its argument it listens there until its standard input ends, and greets whoever connects.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
)

type attempt struct {
	Do     string `json:"do"`
	Target string `json:"target"`
	Error  string `json:"error"`
	Answer string `json:"answer"`
}

func main() {
	if len(os.Args) > 1 {
		listen(os.Args[1])
		return
	}
	var list []attempt
	if err := json.NewDecoder(os.Stdin).Decode(&list); err != nil {
		panic(err)
	}
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			answer, err := try(ctx, list[i])
			list[i].Answer = answer
			if err != nil {
				list[i].Error = err.Error()
			}
		})
	}
	all.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(list); err != nil {
		panic(err)
	}
}

func try(ctx context.Context, a attempt) (string, error) {
	switch a.Do {
	case "tcp", "unix", "udp":
		return connect(ctx, a.Do, a.Target)
	case "lookup":
		found, err := net.DefaultResolver.LookupHost(ctx, a.Target)
		return strings.Join(found, " "), err
	case "database":
		return database(ctx, a.Target)
	case "read":
		content, err := os.ReadFile(a.Target)
		return string(content), err
	case "list":
		entries, err := os.ReadDir(a.Target)
		return fmt.Sprint(entries), err
	case "write":
		return "", os.WriteFile(a.Target, []byte("x"), 0o600)
	case "remove":
		return "", os.Remove(a.Target)
	case "link":
		old, path, _ := strings.Cut(a.Target, " ")
		_ = os.Remove(path)
		return "", os.Symlink(old, path)
	case "ioctl":
		request, path, _ := strings.Cut(a.Target, " ")
		return "", ioctl(request, path)
	case "unshare":
		return "", syscall.Unshare(syscall.CLONE_NEWUSER)
	case "interfaces":
		found, err := net.Interfaces()
		var names []string
		for _, i := range found {
			names = append(names, i.Name)
		}
		return strings.Join(names, " "), err
	default:
		return "", fmt.Errorf("cannot %q", a.Do)
	}
}

// ioctl asks for something about a file, with an argument of zeros.
func ioctl(request, path string) error {
	number, err := strconv.ParseUint(request, 0, 64)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var argument [256]byte
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), uintptr(number), uintptr(unsafe.Pointer(&argument)))
	if errno != 0 {
		return errno
	}
	return nil
}

func connect(ctx context.Context, kind, target string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, kind, target)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if _, err := conn.Write([]byte("hello")); err != nil {
		return "", err
	}
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

func database(ctx context.Context, dsn string) (string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var name string
	err = conn.QueryRow(ctx, "SELECT current_database()").Scan(&name)
	return name, err
}

func listen(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("greetings"))
			conn.Close()
		}
	}()
	fmt.Println("listening")
	io.Copy(io.Discard, os.Stdin)
}
