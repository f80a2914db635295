package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hafen/internal/btrfstest"
	"hafen/provisioner/disk"
)

const (
	number = 7
	owner  = 200_007
	mega   = 1 << 20
)

func TestAVolumeEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	root := btrfstest.Mount(t, 512*mega)
	volumes, err := disk.Detect(root)
	if err != nil {
		t.Fatal(err)
	}
	if why, ok := volumes.Limits(); !ok {
		t.Fatal(why)
	}
	mine, other := filepath.Join(root, "mine"), filepath.Join(root, "other")
	for path, n := range map[string]int{mine: number, other: number + 1} {
		for range 2 { // as after a kill
			if err := volumes.Make(path, n); err != nil {
				t.Fatal(err)
			}
			if err := volumes.Limit(n, 16*mega); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
		if limit, ok, err := volumes.Limited(n); err != nil || !ok || limit != 16*mega {
			t.Fatalf("limit is %d, %v, %v", limit, ok, err)
		}
	}
	if err := fill(filepath.Join(mine, "a"), 64); !errors.Is(err, unix.EDQUOT) {
		t.Errorf("64 MB into 16: %v", err)
	}
	if err := fill(filepath.Join(other, "a"), 8); err != nil {
		t.Errorf("the neighbour's 8 MB: %v", err)
	}
	t.Run("raised, it takes more", func(t *testing.T) {
		if err := volumes.Limit(number, 64*mega); err != nil {
			t.Fatal(err)
		}
		if err := fill(filepath.Join(mine, "b"), 16); err != nil {
			t.Errorf("16 MB more into 64: %v", err)
		}
	})
	t.Run("removed, nothing is left", func(t *testing.T) {
		if err := volumes.Remove(mine, number); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(mine); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the volume is still there: %v", err)
		}
		if err := volumes.Remove(mine, number); err != nil {
			t.Errorf("a second time: %v", err)
		}
	})
}

// Any process may make subvolumes where it may write; they must not lead out of the limit.
func TestAVolumeInsideCounts(t *testing.T) {
	t.Parallel()
	root := btrfstest.Mount(t, 512*mega)
	volumes, err := disk.Detect(root)
	if err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(root, "mine")
	if err := volumes.Make(mine, number); err != nil {
		t.Fatal(err)
	}
	if err := volumes.Limit(number, 16*mega); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(mine, "inside")
	btrfstest.Subvolume(t, inside)
	if err := fill(filepath.Join(inside, "a"), 64); !errors.Is(err, unix.EDQUOT) {
		t.Errorf("64 MB into a subvolume inside 16: %v", err)
	}
	if err := volumes.Remove(mine, number); err != nil {
		t.Errorf("remove it with the one inside: %v", err)
	}
}

func TestElsewhereNothingIsLimited(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	volumes, err := disk.Detect(root)
	if err != nil {
		t.Fatal(err)
	}
	if why, ok := volumes.Limits(); ok == (why != "") {
		t.Errorf("limits: %v, %q", ok, why)
	}
	path := filepath.Join(root, "mine")
	for _, err := range []error{volumes.Make(path, number), volumes.Limit(number, mega), volumes.Remove(path, number)} {
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := disk.Detect(filepath.Join(root, "absent")); err == nil {
		t.Error("an absent directory was accepted")
	}
}

// fill writes so many megabytes to a new file, for good.
func fill(path string, megabytes int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	block := make([]byte, mega)
	for i := range block {
		block[i] = byte(i * i >> 3)
	}
	for range megabytes {
		if _, err := file.Write(block); err != nil {
			return err
		}
	}
	return file.Sync()
}
