package docker

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// seccompOption is which system calls a tenant's processes may make: those of Docker's default profile, less the ioctls of
// file systems. With them, and no right but to own a file or a directory, a process gets out of the limit of its volume (see
// provisioner/disk): FS_IOC_FSSETXATTR takes a file out of its project, after FS_IOC_SETFLAGS nothing made in a directory is
// in its directory's, and a subvolume of btrfs made in another is in no quota group before Linux 6.7. No homeserver needs them.
//
// The profile is of the module's version, not of the engine's: an old engine's own has calls that have been found too
// dangerous since, those of io_uring among them.
var seccompOption = sync.OnceValue(func() string {
	profile := seccomp.DefaultProfile()
	for _, rule := range profile.Syscalls {
		rule.Names = slices.DeleteFunc(rule.Names, func(name string) bool { return name == "ioctl" })
	}
	profile.Syscalls = append(profile.Syscalls, allowOtherIoctls()...)
	content, err := json.Marshal(profile)
	if err != nil {
		panic("docker: a profile of plain values cannot be encoded: " + err.Error())
	}
	return "seccomp=" + string(content)
})

// An ioctl's second byte says whose it is: ioctl(2), asm-generic/ioctl.h. These are of file systems: those that several have, and
// XFS; those that began with ext2, and ext4; and btrfs.
var refused = []uint64{'X', 'f', 0x94}

const whose = 8 // bits before that byte

// allowOtherIoctls allows those whose byte is none of these. seccomp can only compare for equality under a mask, so there is a
// rule for each range of bytes that has none of them: see others. (It can compare the whole argument for inequality, but of
// that the kernel looks at half: the other would lead around the rule.)
func allowOtherIoctls() []*seccomp.Syscall {
	var rules []*seccomp.Syscall
	others(0, 0, 1<<7, func(mask, value uint64) {
		rules = append(rules, &seccomp.Syscall{LinuxSyscall: specs.LinuxSyscall{
			Names: []string{"ioctl"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Index: 1, Value: mask << whose, ValueTwo: value << whose, Op: specs.OpMaskedEqual}},
		}})
	})
	return rules
}

// others halves the bytes that have this value under this mask, from this bit down, until none of a part is refused.
func others(mask, value, bit uint64, allow func(mask, value uint64)) {
	if !slices.ContainsFunc(refused, func(r uint64) bool { return r&mask == value }) {
		allow(mask, value)
		return
	}
	if bit > 0 {
		others(mask|bit, value, bit>>1, allow)
		others(mask|bit, value|bit, bit>>1, allow)
	}
}
