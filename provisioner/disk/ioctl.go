package disk

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctl asks the kernel about the directory at path. A symbolic link in its place is refused, not followed.
func ioctl[T any](path string, request uintptr, argument *T) error {
	dir, err := openDirectory(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return ioctlOn(dir, request, argument)
}

func ioctlOn[T any](file *os.File, request uintptr, argument *T) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), request, uintptr(unsafe.Pointer(argument)))
	if errno != 0 {
		return errno
	}
	return nil
}

func openDirectory(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}
