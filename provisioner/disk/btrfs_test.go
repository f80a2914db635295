package disk_test

import (
	"path/filepath"
	"testing"

	"hafen/internal/disktest"
)

// Any process may make subvolumes where it may write; they must not lead out of the limit.
func TestASubvolumeInsideCounts(t *testing.T) {
	t.Parallel()
	root := disktest.Btrfs(t, 512*mega)
	volumes := detect(t, root)
	mine := filepath.Join(root, "mine")
	volume(t, volumes, mine, number, 16*mega)
	inside := filepath.Join(mine, "inside")
	disktest.Subvolume(t, inside)
	if err := write(filepath.Join(inside, "a"), 64); !full(err) {
		t.Errorf("64 MB into a subvolume inside 16: %v", err)
	}
	if err := volumes.Remove(one(mine, number)); err != nil {
		t.Errorf("remove it with the one inside: %v", err)
	}
}
