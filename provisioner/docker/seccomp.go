package docker

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// seccompOption is which system calls a tenant's processes may make: those of Docker's default profile, less the ioctls that
// change a file's attributes. With them the owner of a file may take it out of its project, and so out of the limit of its
// volume: see provisioner/disk. No homeserver needs them.
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

// An ioctl's second byte says whose it is: ioctl(2), asm-generic/ioctl.h. File systems have two: FS_IOC_FSSETXATTR and all that
// XFS has of its own, and FS_IOC_SETFLAGS and all of ext4.
const (
	fileSystems      = 'X'
	otherFileSystems = 'f'
	whose            = 8 // bits before that byte
)

// allowOtherIoctls allows those whose byte is neither. seccomp can only compare for equality under a mask, so there is a rule
// for each two bits of which one differs from the first byte and one from the second. (It can compare the whole argument for
// inequality, but of that the kernel looks at half: the other would lead around the rule.)
func allowOtherIoctls() []*seccomp.Syscall {
	var rules []*seccomp.Syscall
	for i := range 8 {
		for j := range 8 {
			one, other := ^uint64(fileSystems)&(1<<i), ^uint64(otherFileSystems)&(1<<j)
			mask := uint64(1<<i | 1<<j)
			if i == j && one != other {
				continue // this bit is always that of one of the two
			}
			rules = append(rules, &seccomp.Syscall{LinuxSyscall: specs.LinuxSyscall{
				Names: []string{"ioctl"}, Action: specs.ActAllow,
				Args: []specs.LinuxSeccompArg{{Index: 1, Value: mask << whose, ValueTwo: (one | other) << whose, Op: specs.OpMaskedEqual}},
			}})
		}
	}
	return rules
}
