//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts something for as long as the test runs. Who cannot mount cannot make these tests: it
// takes root.
func mount(t *testing.T, args ...string) {
	t.Helper()
	dir := args[len(args)-1]
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Fatalf("mount %v: %v: %s (this takes root, and for disk images loop devices)", args, err, out)
	}
	t.Cleanup(func() { unmount(dir) })
}

func unmount(dir string) {
	if err := unix.Unmount(dir, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	}
}

// smallDisk is a file system in memory on which there can be as little room as one likes.
type smallDisk struct{ dir string }

func newSmallDisk(t *testing.T, size string) *smallDisk {
	dir := t.TempDir()
	mount(t, "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir)
	return &smallDisk{dir}
}

// leave fills the disk up until so many bytes are free.
func (d *smallDisk) leave(free int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(d.dir, "filler"))
	if err != nil {
		return err
	}
	defer f.Close()
	n := int64(st.Bavail)*st.Bsize - free
	if n <= 0 {
		return fmt.Errorf("only %d bytes are free", int64(st.Bavail)*st.Bsize)
	}
	return unix.Fallocate(int(f.Fd()), 0, 0, n)
}

func (d *smallDisk) empty() error {
	err := os.Remove(filepath.Join(d.dir, "filler"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// imageDisk is a file system on a loop device, whose power can be cut: what the device has got by
// then is in its image.
type imageDisk struct {
	image, dir  string
	after, copy string // where a snapshot is looked at
}

const imageSize = 16 << 20

func newImageDisk(t *testing.T) *imageDisk {
	t.Helper()
	base := t.TempDir()
	d := &imageDisk{filepath.Join(base, "image"), filepath.Join(base, "disk"),
		filepath.Join(base, "after"), filepath.Join(base, "copy")}
	for _, dir := range []string{d.dir, d.after} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, imageSize); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0",
		d.image).CombinedOutput()
	if err != nil {
		t.Fatalf("mkfs.ext4: %v %s", err, out)
	}
	mount(t, "-o", "loop", d.image, d.dir)
	return d
}

// sync has everything reach the device.
func (d *imageDisk) sync() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// cut gives the image as it is now: read until it is the same twice, as a power cut takes no time.
func (d *imageDisk) cut() ([]byte, error) {
	before, err := os.ReadFile(d.image)
	for range 50 {
		if err != nil {
			return nil, err
		}
		var now []byte
		if now, err = os.ReadFile(d.image); err == nil && bytes.Equal(before, now) {
			return now, nil
		}
		before = now
	}
	return nil, fmt.Errorf("image %s changes all the time", d.image)
}

// look mounts what a power cut left, as the next start of the machine would, and calls see with its
// directory.
func (d *imageDisk) look(image []byte, see func(dir string)) error {
	if err := os.WriteFile(d.copy, image, 0o600); err != nil {
		return err
	}
	if out, err := exec.Command("mount", "-o", "loop", d.copy, d.after).CombinedOutput(); err != nil {
		return fmt.Errorf("mount after the power cut: %w %s", err, out)
	}
	defer unmount(d.after)
	see(d.after)
	return nil
}
