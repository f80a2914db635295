package cluster

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the operating-system user that owns the files and runs the postmaster. PostgreSQL refuses to run as root,
// so for root it is the user the distribution's package made.
type owner struct {
	name     string
	uid, gid int
	// self is the user we run as, the one the superuser role answers to.
	self string
}

func findOwner() (owner, error) {
	self, err := user.Current()
	if err != nil {
		return owner{}, fmt.Errorf("find the user that runs Hafen: %w", err)
	}
	account := self
	if os.Geteuid() == 0 {
		if account, err = user.Lookup("postgres"); err != nil {
			return owner{}, fmt.Errorf("find the user postgres of the distribution's package: %w; mend it with: apt-get install postgresql", err)
		}
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return owner{}, fmt.Errorf("user %s: numeric id: %w", account.Username, err)
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return owner{}, fmt.Errorf("user %s: numeric group: %w", account.Username, err)
	}
	return owner{name: account.Username, uid: uid, gid: gid, self: self.Username}, nil
}

// process makes a child run as the owner, in a session of its own: a Ctrl-C typed at Hafen's terminal must not reach
// the database.
func (o owner) process() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return attributes
}

// makeDir makes dir, owned by the owner and with exactly this mode whatever the umask.
func (o owner) makeDir(dir string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(dir, mode); err != nil && !os.IsExist(err) {
		return err
	}
	if err := os.Chmod(dir, mode); err != nil {
		return err
	}
	return o.own(dir)
}

func (o owner) own(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, o.uid, o.gid)
}

// obstacle names the first directory above path that the owner cannot pass, or "". It only explains a failure that has
// happened; it knows nothing of access control lists.
func (o owner) obstacle(path string) string {
	var above []string
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		above = append(above, dir)
		if dir == "/" {
			break
		}
	}
	for i := len(above) - 1; i >= 0; i-- {
		var stat syscall.Stat_t
		if err := syscall.Stat(above[i], &stat); err != nil {
			return "" // not made yet, and then nothing below it is
		}
		passable := stat.Mode&0o001 != 0
		switch {
		case int(stat.Uid) == o.uid:
			passable = stat.Mode&0o100 != 0
		case int(stat.Gid) == o.gid:
			passable = stat.Mode&0o010 != 0
		}
		if !passable {
			return above[i]
		}
	}
	return ""
}

// CheckReachable says whether the server's user can pass every directory above path. It looks at modes alone, so a
// directory opened by an access control list is refused.
func CheckReachable(path string) error {
	owner, err := findOwner()
	if err != nil {
		return err
	}
	if closed := owner.obstacle(path); closed != "" {
		return fmt.Errorf("PostgreSQL runs as user %s, who cannot pass the directory %s; mend it with: chmod o+x %s, or another data directory",
			owner.name, closed, closed)
	}
	return nil
}
