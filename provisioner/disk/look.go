package disk

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lookAtProjects finds out whether project quotas are counted and enforced, and if not, what the hoster has to do. Hafen
// does not switch them on: ext4 must be changed while it is not mounted, and XFS asks when it is mounted, no later.
func lookAtProjects(root, fileSystem string) (Finding, error) {
	dir, err := openDirectory(root)
	if err != nil {
		return Finding{}, fmt.Errorf("look at the file system of %s: %w", root, err)
	}
	defer dir.Close()
	state := struct { // struct fs_quota_statv, and room for what later versions of it have
		version, _ uint8
		flags      uint16
		_          [508]byte
	}{version: 1}
	err = quotactl(dir, quotaState, 0, &state)
	switch {
	case errors.Is(err, unix.ENOSYS): // no quota at all is on
	case err != nil:
		return Finding{}, fmt.Errorf("ask for the quotas of %s: %w", root, err)
	case state.flags&(accounted|enforced) == accounted|enforced:
		return Finding{FileSystem: fileSystem}, nil
	}
	where, err := mounted(dir)
	if err != nil {
		return Finding{}, fmt.Errorf("look for where %s is mounted: %w", root, err)
	}
	return Finding{
		FileSystem: fileSystem,
		Why:        fmt.Sprintf("%s at %s is mounted without project quotas", fileSystem, where.point),
		Mend:       where.mend(fileSystem == "ext4" && state.flags&accounted == 0),
	}, nil
}

// place is where a file system is mounted, and its device.
type place struct{ device, point string }

// mend gives the commands that turn project quotas on, for good. featureless is an ext4 that has no room for them.
func (p place) mend(featureless bool) string {
	feature := "tune2fs -O project,quota -Q prjquota " + p.device
	if p.point == "/" {
		if featureless {
			return feature + " from a rescue system, and rootflags=prjquota on the kernel's command line"
		}
		return "rootflags=prjquota on the kernel's command line (GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub; reboot)"
	}
	commands := []string{"umount " + p.point, "mount -o prjquota " + p.device + " " + p.point}
	if featureless {
		commands = []string{commands[0], feature, commands[1]}
	}
	return strings.Join(commands, " && ") + ", and prjquota among its options in /etc/fstab"
}

// mounted reads proc(5), /proc/PID/mountinfo. Of several places it takes one that shows the whole file system.
func mounted(dir *os.File) (place, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &stat); err != nil {
		return place{}, err
	}
	device := fmt.Sprintf("%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev))
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return place{}, err
	}
	defer file.Close()
	var found place
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(rest) < 2 || fields[2] != device {
			continue
		}
		if whole := fields[3] == "/"; whole || found.point == "" {
			found = place{device: rest[1], point: fields[4]}
			if whole {
				break
			}
		}
	}
	if err := lines.Err(); err != nil {
		return place{}, err
	}
	if found.point == "" {
		return place{}, fmt.Errorf("no file system %s is mounted", device)
	}
	return found, nil
}
