//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scene is a run of the program, with what is there before and what must be there after.
type scene struct {
	name   string
	args   []string
	inputs map[string][]byte // files that must not change
	stdin  []byte            // comes through a pipe; nil for none
	// what a reader of standard output must get; nil if nothing is written there
	stdout whole
	partly whole // what such a reader may have got when the program fails; nil for anything
	wants  []want
	many   bool   // one of several files may fail while the others are done
	moves  bool   // the inputs are removed once the outputs are there
	inside []byte // the input is the target, and this is in it; nil for others
}

// want is a target.
type want struct {
	name string
	old  []byte // nil if there is none
	new  whole
}

// whole tells what is wrong with a file that should be whole, "" for nothing.
type whole func(b []byte) string

// stage is a directory in which a scene is played, again and again.
type stage struct {
	dir string // holds files and pipes
	*scene
}

func (s *stage) files() string { return filepath.Join(s.dir, "files") }

func newStage(t *testing.T, s *scene) *stage {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &stage{dir: dir, scene: s}
}

// set puts everything in its place. What is right already is left alone.
func (s *stage) set() error {
	there := map[string][]byte{}
	for name, data := range s.inputs {
		there[name] = data
	}
	for _, w := range s.wants {
		if w.old != nil {
			there[w.name] = w.old
		}
	}
	if err := os.MkdirAll(s.files(), 0o755); err != nil {
		return err
	}
	for _, name := range s.list() {
		if _, ok := there[name]; !ok {
			if err := os.RemoveAll(filepath.Join(s.files(), name)); err != nil {
				return err
			}
		}
	}
	for name, data := range there {
		path := filepath.Join(s.files(), name)
		if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, data) {
			continue
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			_ = os.RemoveAll(path)
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list names all files of the scene but its directories.
func (s *stage) list() []string {
	var names []string
	_ = filepath.WalkDir(s.files(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(s.files(), path)
			names = append(names, name)
		}
		return nil
	})
	return names
}

// play sets the scene and runs it once under the tracer.
func (s *stage) play(judge func(*call) verdict) (result, error) {
	if err := s.set(); err != nil {
		return result{}, err
	}
	return s.run(s.args, func(c *exec.Cmd) (syscall.WaitStatus, error) {
		status, err := trace(c, judge)
		return syscall.WaitStatus(status), err
	})
}

// run has the program started, and waited for, by how.
func (s *stage) run(args []string,
	how func(*exec.Cmd) (syscall.WaitStatus, error)) (result, error) {
	c := command(s.files(), args...)
	p := &plumbing{}
	defer p.close()
	if err := p.connect(c, s); err != nil {
		return result{}, err
	}
	status, err := how(c)
	if err != nil {
		return result{}, err
	}
	stdout, stderr := p.drain()
	return result{codeOf(status), stdout, stderr}, nil
}

// killedAfter is a way to run a program: until it ends, or for so long.
func killedAfter(d time.Duration) func(*exec.Cmd) (syscall.WaitStatus, error) {
	return func(c *exec.Cmd) (syscall.WaitStatus, error) {
		if err := c.Start(); err != nil {
			return 0, err
		}
		limit := time.AfterFunc(d, func() { _ = c.Process.Kill() })
		defer limit.Stop()
		if err := c.Wait(); err != nil && c.ProcessState == nil {
			return 0, err
		}
		return c.ProcessState.Sys().(syscall.WaitStatus), nil
	}
}

// state compares the targets: done have the new contents, kept those from before, and broken
// neither.
func (s *stage) state() (done, kept, broken []string) {
	for _, w := range s.wants {
		now, err := os.ReadFile(filepath.Join(s.files(), w.name))
		switch {
		case err != nil && w.old == nil, err == nil && w.old != nil && bytes.Equal(now, w.old):
			kept = append(kept, w.name)
		case err != nil:
			broken = append(broken, w.name+" is gone")
		default:
			if wrong := w.new(now); wrong != "" {
				broken = append(broken, fmt.Sprintf("%s (%d bytes): %s", w.name, len(now), wrong))
			} else {
				done = append(done, w.name)
			}
		}
	}
	return done, kept, broken
}

// changedInputs are the inputs that are not what they were.
func (s *stage) changedInputs(done []string) (problems []string) {
	for name, data := range s.inputs {
		now, err := os.ReadFile(filepath.Join(s.files(), name))
		if s.moves && os.IsNotExist(err) && len(done) > 0 {
			continue
		}
		if err != nil || !bytes.Equal(now, data) {
			problems = append(problems, "input "+name+" is not what it was")
		}
	}
	return problems
}

// leftovers are the files that are no part of the scene.
func (s *stage) leftovers() (names []string) {
	for _, name := range s.list() {
		_, input := s.inputs[name]
		if !input && !slices.ContainsFunc(s.wants, func(w want) bool { return w.name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// isJournal tells the journal of a rewrap from a temp file.
func isJournal(name string) bool { return strings.HasSuffix(name, ".journal") }
