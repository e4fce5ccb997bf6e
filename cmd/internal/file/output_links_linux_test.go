package file

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
)

func init() { testkit.Children["unlinkable"] = childUnlinkable }

// unlinked is more than is copied at a time.
var unlinked = bytes.Repeat([]byte("0123456"), 400_000)

// childUnlinkable writes a file where none without a name can get one: by itself, and as one of
// many.
func childUnlinkable(args []string) error {
	if err := testkit.OtherMachine("unlinkable"); err != nil {
		return err
	}
	o := Options{Perm: 0o644, ModTime: time.Unix(1e9, 5), Force: len(args) > 1}
	out, err := Create(args[0], o)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := out.Write(unlinked); err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	dir, err := OpenDir(filepath.Dir(args[0]))
	if err != nil {
		return err
	}
	o.Together = true
	many := dir.NewOutput("many", "many", o)
	defer many.Abort()
	if err := many.Start(); err != nil {
		return err
	}
	if _, err := many.Write([]byte("text")); err != nil {
		return err
	}
	_, err = many.Publish()
	return err
}

func TestFilesWithoutNamesGetNone(t *testing.T) {
	for _, replace := range []bool{false, true} {
		dir := t.TempDir()
		target := filepath.Join(dir, "out")
		args := []string{target}
		if replace {
			testkit.WriteFile(t, target, "old")
			args = append(args, "force")
		}
		child, stderr := testkit.StartChild(t, "unlinkable", args...)
		if status := testkit.ExitStatus(t, child.Run()); status != 0 {
			t.Errorf("status %d, %s", status, stderr)
		}
		testkit.WantFiles(t, dir, map[string]string{"out": string(unlinked), "many": "text"})
		for _, name := range []string{"out", "many"} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode() != 0o644 || !info.ModTime().Equal(time.Unix(1e9, 5)) {
				t.Errorf("%s: %v %v, %v", name, info.Mode(), info.ModTime(), err)
			}
		}
	}
}
