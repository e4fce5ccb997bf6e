//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTortureModes opens and seals files of all modes under several umasks. What was sealed may be
// opened by its owner only.
func TestTortureModes(t *testing.T) {
	all := duels(t, 1000)
	counts := tallies(t, "16", "an opened file is readable by others", all)
	dir := t.TempDir()
	for _, d := range all {
		for _, mode := range []os.FileMode{0o600, 0o644, 0o640, 0o400, 0o444, 0o666, 0o777} {
			for _, umask := range []int{0, 0o022, 0o077} {
				if err := d.set(dir); err != nil {
					t.Fatal(err)
				}
				for _, err := range []error{os.Chmod(filepath.Join(dir, "in"), mode),
					os.Remove(filepath.Join(dir, "out"))} {
					if err != nil {
						t.Fatal(err)
					}
				}
				was := unix.Umask(umask)
				r := run(d.begin(dir))
				unix.Umask(was)
				counts[d.name].trial(fmt.Sprintf("%s a file of mode %o with umask %o", d.what, mode, umask),
					d.judgeMode(dir, mode, r)...)
			}
		}
	}
}

func (d *duel) judgeMode(dir string, mode os.FileMode, r result) []string {
	info, err := os.Stat(filepath.Join(dir, "out"))
	if err != nil || r.code != 0 {
		return []string{fmt.Sprintf("exit code %d: %s", r.code, r.stderr)}
	}
	now := info.Mode().Perm()
	switch {
	case d.what == "open" && now&0o077 != 0, d.what == "open" && now&^mode != 0:
		return []string{fmt.Sprintf("the opened file has mode %o", now)}
	case d.what == "seal" && d.name == ours && now != mode:
		return []string{fmt.Sprintf("the sealed file has mode %o", now)}
	}
	return nil
}

// TestTortureTempModes looks at temp files with names before each write, while files of mode 0644
// are worked on. Once it is whole, a temp file has the mode of the output.
func TestTortureTempModes(t *testing.T) {
	a := count(t, "16", "a temp file that others could open, before each write", ours)
	for _, sc := range scenes(t) {
		if sc.wants == nil {
			continue
		}
		s := newStage(t, sc)
		if err := s.set(); err != nil {
			t.Fatal(err)
		}
		for _, name := range s.list() {
			if err := os.Chmod(filepath.Join(s.files(), name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.play(func(c *call) verdict {
			if noUnnamed(c) {
				return verdict{errno: syscall.EOPNOTSUPP}
			}
			// a journal is for all who may read the file
			path, ok := c.within(s.files())
			if ok && c.kind.side == writes && c.kind.count >= 0 && !isJournal(path) {
				a.trial(s.name, openToOthers(path)...)
			}
			return verdict{}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// openToOthers tells whether somebody else may open a temp file.
func openToOthers(path string) []string {
	info, err := os.Lstat(path)
	if err == nil && strings.HasPrefix(filepath.Base(path), ".envseal-") &&
		info.Mode().Perm()&0o077 != 0 {
		return []string{fmt.Sprintf("%s has mode %o", path, info.Mode().Perm())}
	}
	return nil
}
