package docker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// What the engine is given allows every ioctl but those of file systems, whatever else is in the argument.
func TestIoctlsOfFileSystemsAreRefused(t *testing.T) {
	t.Parallel()
	var profile seccomp.Seccomp
	if err := json.Unmarshal([]byte(strings.TrimPrefix(seccompOption(), "seccomp=")), &profile); err != nil {
		t.Fatal(err)
	}
	if profile.DefaultAction != specs.ActErrno {
		t.Fatalf("what is not named is answered by %s", profile.DefaultAction)
	}
	allowed := func(request uint64) bool {
		return slices.ContainsFunc(profile.Syscalls, func(rule *seccomp.Syscall) bool {
			return rule.Action == specs.ActAllow && slices.Contains(rule.Names, "ioctl") &&
				!slices.ContainsFunc(rule.Args, func(a specs.LinuxSeccompArg) bool {
					return a.Index != 1 || a.Op != specs.OpMaskedEqual || request&a.Value != a.ValueTwo
				})
		})
	}
	for whose := range uint64(256) {
		for _, rest := range []uint64{0, 0x401c0020, 0xffff00ff, 1 << 32, 1 << 63} {
			if got, want := allowed(rest|whose<<8), whose != 'X' && whose != 'f' && whose != 0x94; got != want {
				t.Errorf("ioctl %#x: allowed is %v", rest|whose<<8, got)
			}
		}
	}
	for _, rule := range profile.Syscalls {
		for _, name := range []string{"file_setattr", "io_uring_setup"} {
			if slices.Contains(rule.Names, name) && rule.Action == specs.ActAllow {
				t.Errorf("%s is allowed", name)
			}
		}
	}
}
