package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"hafen/internal/vmtest"
	"hafen/provisioner/disk"
)

// Project quotas are tried on a kernel that surely has them. These tests run there, and those of everywhere.
func TestProjects(t *testing.T) {
	if !vmtest.Inside() {
		t.Parallel()
		dir := t.TempDir()
		vmtest.Run(t, "^Test(Projects|AVolumeEndsAtItsLimit|DirectoriesInsideCount|DirectoriesCountTogether|LimitsAreWholeUnits)$",
			vmtest.Disk{Name: "plain", File: image(t, dir, "plain", "mkfs.ext4", "-q")},
			vmtest.Disk{Name: "ext4", File: mended(t, image(t, dir, "ext4", "mkfs.ext4", "-q"))},
			vmtest.Disk{Name: "xfs", File: image(t, dir, "xfs", "mkfs.xfs", "-q")},
			vmtest.Disk{Name: "btrfs", File: image(t, dir, "btrfs", "mkfs.btrfs", "-q")},
		)
		return
	}
	t.Run("what is missing is said", saysWhatIsMissing)
	for name, test := range map[string]func(*testing.T, string){
		"what was there before counts":          countsWhatWasThere,
		"what is written meanwhile counts":      countsWhatIsWrittenMeanwhile,
		"a kill midway is mended":               mendsAKillMidway,
		"a directory beside is counted":         countsWhatIsBeside,
		"too deep is refused":                   refusesTooDeep,
		"somebody else's project is left alone": leavesOthersAlone,
		"a neighbour's project is not believed": doesNotBelieveTheVolume,
		"empty files end too":                   boundsEmptyFiles,
		"no user namespace leads out":           staysInsideOfNamespaces,
	} {
		t.Run(name, func(t *testing.T) { everyProject(t, test) })
	}
}

// image makes a file system in a file.
func image(t *testing.T, dir, name string, mkfs ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 512*mega); err != nil {
		t.Fatal(err)
	}
	run(t, append(mkfs, path)...)
	return path
}

// mended does to a file system what it is said to need, up to mounting it, which takes another kernel.
func mended(t *testing.T, image string) string {
	t.Helper()
	device := strings.TrimSpace(run(t, "losetup", "--find", "--show", image))
	defer run(t, "losetup", "--detach", device)
	point := t.TempDir()
	if err := unix.Mount(device, point, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	found, err := disk.Look(point)
	if err != nil || found.FileSystem != "ext4" || found.Why == "" {
		t.Fatalf("found %+v, %v", found, err)
	}
	commands, mount, ok := strings.Cut(found.Mend, " && mount -o prjquota "+device+" "+point)
	if !ok || !strings.Contains(mount, "/etc/fstab") {
		t.Fatalf("said to mend it: %s", found.Mend)
	}
	run(t, "sh", "-c", commands)
	return image
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return string(out)
}

// everyProject runs a test on each file system with project quotas.
func everyProject(t *testing.T, test func(t *testing.T, root string)) {
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) { mounted(t, kind, "prjquota", test) })
	}
}

// mounted runs a test on a file system, and removes what it has made there.
func mounted(t *testing.T, kind, options string, test func(t *testing.T, root string)) {
	root := vmtest.Mount(t, kind, kind, options)
	open(t, root)
	test(t, root)
	volumes := detect(t, root)
	for name, n := range map[string]int{"mine": number, "other": number + 1, "outside": 0, "foreign": 0} {
		must(t, volumes.Remove(one(filepath.Join(root, name), n)))
	}
}

func saysWhatIsMissing(t *testing.T) {
	for _, row := range []struct{ disk, kind, options, mend string }{
		{"plain", "ext4", "", "umount POINT && tune2fs -O project,quota -Q prjquota DEVICE && mount -o prjquota DEVICE POINT"},
		{"ext4", "ext4", "", "umount POINT && mount -o prjquota DEVICE POINT"},
		{"ext4", "ext4", "prjquota", ""},
		{"xfs", "xfs", "", "umount POINT && mount -o prjquota DEVICE POINT"},
		{"xfs", "xfs", "usrquota", "umount POINT && mount -o prjquota DEVICE POINT"},
		{"xfs", "xfs", "pqnoenforce", "umount POINT && mount -o prjquota DEVICE POINT"},
		{"xfs", "xfs", "prjquota", ""},
	} {
		t.Run(row.disk+" "+row.options, func(t *testing.T) {
			point := vmtest.Mount(t, row.disk, row.kind, row.options)
			below := filepath.Join(point, "below")
			if err := os.MkdirAll(below, 0o700); err != nil {
				t.Fatal(err)
			}
			found, err := disk.Look(below)
			if err != nil {
				t.Fatal(err)
			}
			if strings.ToLower(found.FileSystem) != row.kind || (found.Why == "") != (row.mend == "") {
				t.Errorf("found %+v", found)
			}
			want := strings.NewReplacer("POINT", point, "DEVICE", vmtest.Device(t, row.disk)).Replace(row.mend)
			if got, _, _ := strings.Cut(found.Mend, ", and "); got != want {
				t.Errorf("mended by %q, not %q", got, want)
			}
			volumes, err := disk.Detect(below)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := volumes.Limits(); ok != (row.mend == "") {
				t.Errorf("limits: %v", ok)
			}
		})
	}
}

// grown makes a tenant's directory as it was without limits, with 3 MB in files and what else a tenant may put there.
func grown(t *testing.T, root string) (mine, outside string) {
	t.Helper()
	mine, outside = filepath.Join(root, "mine"), filepath.Join(root, "outside")
	inside := filepath.Join(mine, "one", "two")
	must(t, os.MkdirAll(inside, 0o700))
	must(t, os.MkdirAll(outside, 0o700))
	must(t, write(filepath.Join(mine, "a"), 1))
	must(t, write(filepath.Join(inside, "a"), 2))
	must(t, write(filepath.Join(outside, "a"), 1))
	for i := range 300 { // more than are read at once
		must(t, os.WriteFile(filepath.Join(inside, strconv.Itoa(i)), nil, 0o600))
	}
	must(t, os.Symlink(outside, filepath.Join(mine, "link")))
	must(t, os.Symlink(filepath.Join(outside, "a"), filepath.Join(inside, "link")))
	must(t, unix.Mkfifo(filepath.Join(mine, "pipe"), 0o600))
	must(t, filepath.WalkDir(mine, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, owner, owner))
	}))
	return mine, outside
}

func countsWhatWasThere(t *testing.T, root string) {
	mine, outside := grown(t, root)
	volumes := detect(t, root)
	expectLimit(t, volumes, mine, number, 0)
	volume(t, volumes, mine, number, 4*mega)
	expectLimit(t, volumes, mine, number, 4*mega)
	expectProject(t, mine)
	for _, path := range []string{outside, filepath.Join(outside, "a")} {
		if p := project(t, path); p != 0 {
			t.Errorf("%s, where a link leads, has project %d", path, p)
		}
	}
	if err := fill(filepath.Join(mine, "one", "b"), 2); !full(err) {
		t.Errorf("2 MB beside 3 into 4: %v", err)
	}
}

func countsWhatIsWrittenMeanwhile(t *testing.T, root string) {
	mine, _ := grown(t, root)
	volumes := detect(t, root)
	var end atomic.Bool
	written := make(chan error)
	go as(owner, func() { written <- moveAbout(mine, end.Load) })
	err := volumes.Limit(one(mine, number), 256*mega)
	end.Store(true)
	must(t, errors.Join(err, <-written))
	expectProject(t, mine)
}

// moveAbout makes directories and files and moves them to and fro. Out of its project nothing can be moved, nor from
// outside into one: that is refused, and all that may be.
func moveAbout(mine string, ended func() bool) error {
	for i := 0; i < 5 || !ended(); i++ {
		name := strconv.Itoa(i % 500)
		for _, from := range []string{mine, filepath.Join(mine, "one"), filepath.Join(mine, "one", "two")} {
			made := filepath.Join(from, "made"+name)
			if err := os.MkdirAll(made, 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(made, "a"), []byte("x"), 0o600); err != nil {
				return err
			}
			for _, to := range []string{filepath.Join(mine, "moved"+name), filepath.Join(mine, "one", "moved"+name)} {
				err := os.Rename(made, to)
				if err != nil && !errors.Is(err, unix.EXDEV) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOENT) {
					return err
				}
			}
		}
	}
	return nil
}

// A pass that was killed has given the volume its project, and not all that is in it.
func mendsAKillMidway(t *testing.T, root string) {
	mine, _ := grown(t, root)
	volumes := detect(t, root)
	setProject(t, mine, 2_000_000_000+number)
	expectLimit(t, volumes, mine, number, 0)
	must(t, volumes.Limit(one(mine, number), 16*mega))
	expectProject(t, mine)
}

func countsWhatIsBeside(t *testing.T, root string) {
	mine, beside := filepath.Join(root, "mine"), filepath.Join(root, "other")
	volumes := detect(t, root)
	volume(t, volumes, mine, number, 4*mega)
	must(t, os.Mkdir(beside, 0o700))
	must(t, write(filepath.Join(beside, "a"), 1))
	both := disk.Volume{Number: number, Dirs: []string{mine, beside}}
	if limit, ok, err := volumes.Limited(both); err != nil || ok {
		t.Errorf("limit is %d, %v, %v", limit, ok, err)
	}
	must(t, volumes.Limit(both, 4*mega))
	if limit, ok, err := volumes.Limited(both); err != nil || !ok || limit != 4*mega {
		t.Errorf("limit is %d, %v, %v", limit, ok, err)
	}
	expectProject(t, beside)
	must(t, volumes.Remove(both))
}

func refusesTooDeep(t *testing.T, root string) {
	mine := filepath.Join(root, "mine")
	must(t, os.MkdirAll(filepath.Join(mine, strings.Repeat("d/", 200)), 0o700))
	volumes := detect(t, root)
	if err := volumes.Limit(one(mine, number), 16*mega); err == nil || !strings.Contains(err.Error(), "more than 100 directories") {
		t.Errorf("200 directories within each other: %v", err)
	}
	expectLimit(t, volumes, mine, number, 0)
}

func leavesOthersAlone(t *testing.T, root string) {
	foreign, mine := filepath.Join(root, "foreign"), filepath.Join(root, "mine")
	must(t, os.Mkdir(foreign, 0o700))
	must(t, os.Chown(foreign, owner, owner))
	setProject(t, foreign, 2_000_000_000+number)
	must(t, fill(filepath.Join(foreign, "a"), 6))
	volumes := detect(t, root)
	volume(t, volumes, mine, number, 4*mega)
	expectLimit(t, volumes, mine, number, 4*mega)
	if p := project(t, mine); p != 2_001_000_000+number {
		t.Errorf("the volume has project %d", p)
	}
	must(t, fill(filepath.Join(foreign, "b"), 6))
	if err := fill(filepath.Join(mine, "a"), 6); !full(err) {
		t.Errorf("6 MB into 4: %v", err)
	}
	must(t, volumes.Remove(one(mine, number)))
	if p := project(t, filepath.Join(foreign, "a")); p != 2_000_000_000+number {
		t.Errorf("the other's file has project %d", p)
	}
	for _, n := range []int{-1, 1_000_000} {
		if err := volumes.Limit(one(foreign, n), 16*mega); err == nil {
			t.Errorf("tenant %d got a project", n)
		}
	}
}

func doesNotBelieveTheVolume(t *testing.T, root string) {
	mine, other := filepath.Join(root, "mine"), filepath.Join(root, "other")
	volumes := detect(t, root)
	volume(t, volumes, mine, number, 16*mega)
	volume(t, volumes, other, number+1, 16*mega)
	setProject(t, mine, project(t, other))
	expectLimit(t, volumes, mine, number, 0)
	must(t, volumes.Limit(one(mine, number), 64*mega))
	expectLimit(t, volumes, mine, number, 64*mega)
	setProject(t, mine, project(t, other))
	must(t, volumes.Remove(one(mine, number)))
	expectLimit(t, volumes, other, number+1, 16*mega)
}

func boundsEmptyFiles(t *testing.T, root string) {
	mine, other := filepath.Join(root, "mine"), filepath.Join(root, "other")
	volumes := detect(t, root)
	volume(t, volumes, mine, number, mega)
	volume(t, volumes, other, number+1, mega)
	made, err := 0, error(nil)
	as(owner, func() {
		for ; err == nil && made < 1000; made++ {
			err = os.WriteFile(filepath.Join(mine, strconv.Itoa(made)), nil, 0o600)
		}
		if !full(err) || made > 300 {
			t.Errorf("%d empty files into 1 MB: %v", made, err)
		}
		if err := os.WriteFile(filepath.Join(other, "a"), nil, 0o600); err != nil {
			t.Errorf("the neighbour's: %v", err)
		}
	})
}

// The volume's owner in a user namespace of its own, where it has every right, may not change its project. (In the first
// one it may: from that a tenant's container keeps it.)
func staysInsideOfNamespaces(t *testing.T, root string) {
	mine := filepath.Join(root, "mine")
	volumes := detect(t, root)
	volume(t, volumes, mine, number, 16*mega)
	before := project(t, mine)
	child := exec.Command("/proc/self/exe", "-test.run=^$")
	child.Env = []string{leaveProject + "=" + mine}
	child.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 0, Gid: 0},
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: owner, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: owner, Size: 1}},
	}
	out, err := child.CombinedOutput()
	if err != nil || string(out) != "invalid argument" {
		t.Errorf("leave the project in a user namespace: %v %s", err, out)
	}
	if after := project(t, mine); after != before {
		t.Errorf("the project is %d, was %d", after, before)
	}
}

// leaveProject names a variable of the environment: of the directory whose project to leave.
const leaveProject = "HAFEN_TEST_LEAVE_PROJECT"

// expectProject holds everything in a volume that takes space to the volume's project.
func expectProject(t *testing.T, volume string) {
	t.Helper()
	want := project(t, volume)
	if want == 0 {
		t.Fatal("the volume has no project")
	}
	must(t, filepath.WalkDir(volume, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && (entry.IsDir() || entry.Type().IsRegular()) && project(t, path) != want {
			t.Errorf("%s has project %d", path, project(t, path))
		}
		return err
	}))
}

// What follows is of linux/fs.h.
const (
	getAttributes = 0x801c581f
	setAttributes = 0x401c5820
	inherit       = 0x200
)

type attributes struct {
	flags, _, _, project, _ uint32
	_                       [8]byte
}

func project(t *testing.T, path string) uint32 {
	t.Helper()
	var a attributes
	must(t, attribute(path, getAttributes, &a))
	return a.project
}

func setProject(t *testing.T, path string, project uint32) {
	t.Helper()
	must(t, attribute(path, setAttributes, &attributes{project: project, flags: inherit}))
}

func attribute(path string, request uintptr, a *attributes) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), request, uintptr(unsafe.Pointer(a))); errno != 0 {
		return errno
	}
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
