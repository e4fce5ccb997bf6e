package file

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

// bothWays runs a test with and without files that have no name.
func bothWays(t *testing.T, test func(t *testing.T, named bool)) {
	for name, named := range map[string]bool{"unnamed": false, "named": true} {
		t.Run(name, func(t *testing.T) {
			test(t, named)
		})
	}
}

// createAs is Create, and named as where there are no files without a name.
func createAs(named bool, target string, o Options) (*Output, error) {
	if !named {
		return Create(target, o)
	}
	parent, base := SplitName(target)
	dir, err := OpenDir(parent)
	if err != nil {
		return nil, err
	}
	dir.named.Store(true)
	out := dir.NewOutput(base, target, o)
	out.shared = false
	return out.begun(out.look())
}

func mustCreate(t *testing.T, named bool, target string, o Options) *Output {
	t.Helper()
	out, err := createAs(named, target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Abort)
	return out
}

func mustWrite(t *testing.T, out *Output, text string) {
	t.Helper()
	if _, err := out.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestCommitNew(t *testing.T) {
	bothWays(t, func(t *testing.T, named bool) {
		dir := t.TempDir()
		target := filepath.Join(dir, "out")
		when := time.Date(2001, 2, 3, 4, 5, 6, 789012345, time.UTC)
		out := mustCreate(t, named, target, Options{Perm: 0o644, ModTime: when})
		mustWrite(t, out, "text")
		if info, err := out.AsFile().Stat(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of the temp file %v, %v", info.Mode(), err)
		}
		if _, err := os.Lstat(target); err == nil {
			t.Error("the target is there before Commit")
		}
		if err := out.Commit(); err != nil {
			t.Fatal(err)
		}
		out.Abort()
		testkit.WantFiles(t, dir, map[string]string{"out": "text"})
		info, err := os.Stat(target)
		if err != nil || info.Mode() != 0o644 || !info.ModTime().Equal(when) {
			t.Errorf("%v %v %v", info.Mode(), info.ModTime(), err)
		}
		testkit.WantCode(t, out.Commit(), exit.Other, "after its end")
	})
}

func TestCommitReplaces(t *testing.T) {
	bothWays(t, func(t *testing.T, named bool) {
		dir := t.TempDir()
		target := testkit.WriteFile(t, filepath.Join(dir, "out"), "old")
		_, err := Create(target, Options{Perm: 0o600})
		testkit.WantCode(t, err, exit.Output, "out: exists already")
		for _, noSync := range []bool{false, true} {
			text := fmt.Sprint("new ", noSync)
			out := mustCreate(t, named, target, Options{Perm: 0o600, Force: true, NoSync: noSync})
			mustWrite(t, out, text)
			if err := out.Commit(); err != nil {
				t.Fatal(err)
			}
			testkit.WantFiles(t, dir, map[string]string{"out": text})
		}
	})
}

func TestAbort(t *testing.T) {
	bothWays(t, func(t *testing.T, named bool) {
		dir := t.TempDir()
		target := testkit.WriteFile(t, filepath.Join(dir, "out"), "old")
		out := mustCreate(t, named, target, Options{Perm: 0o600, Force: true})
		mustWrite(t, out, "half")
		out.Abort()
		out.Abort()
		testkit.WantFiles(t, dir, map[string]string{"out": "old"})
		if _, err := out.Write([]byte("x")); exit.Code(err) != exit.Output {
			t.Errorf("write after Abort: %v", err)
		}
	})
}

// What turns up between Create and Commit must not be overwritten.
func TestCommitFindsTarget(t *testing.T) {
	bothWays(t, func(t *testing.T, named bool) {
		dir := t.TempDir()
		target := filepath.Join(dir, "out")
		out := mustCreate(t, named, target, Options{Perm: 0o600})
		mustWrite(t, out, "mine")
		testkit.WriteFile(t, target, "theirs")
		testkit.WantCode(t, out.Commit(), exit.Output, "exists already")
		testkit.WantFiles(t, dir, map[string]string{"out": "theirs"})

		out = mustCreate(t, named, target, Options{Perm: 0o600, Force: true})
		if err := os.Remove(target); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(target, 0o700); err != nil {
			t.Fatal(err)
		}
		if exit.Code(out.Commit()) != exit.Output {
			t.Error("a directory was replaced")
		}
		testkit.WantFiles(t, dir, map[string]string{"out": ""})
	})
}

func TestCommitRace(t *testing.T) {
	bothWays(t, func(t *testing.T, named bool) {
		dir := t.TempDir()
		for round := range 100 {
			name := fmt.Sprint("out", round)
			errs := make([]error, 2)
			var ready, done sync.WaitGroup
			ready.Add(len(errs))
			for i := range errs {
				out := mustCreate(t, named, filepath.Join(dir, name), Options{Perm: 0o600, NoSync: true})
				mustWrite(t, out, fmt.Sprint(i))
				done.Go(func() {
					ready.Done()
					ready.Wait()
					errs[i] = out.Commit()
				})
			}
			done.Wait()
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("round %d: %v, %v", round, errs[0], errs[1])
			}
			winner := "0"
			if errs[0] != nil {
				winner = "1"
			}
			testkit.WantFiles(t, dir, map[string]string{name: winner})
			os.Remove(filepath.Join(dir, name))
		}
	})
}

func TestOutputIsInput(t *testing.T) {
	dir := t.TempDir()
	path := testkit.WriteFile(t, filepath.Join(dir, "in"), "precious")
	in := mustOpen(t, path)
	t.Chdir(dir)
	for name, make := range map[string]func(string) error{
		"symlink":  func(p string) error { return os.Symlink(path, p) },
		"hardlink": func(p string) error { return os.Link(path, p) },
	} {
		if err := make(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	inherit(t, in.fd)
	number := fmt.Sprint(in.fd)
	for _, spelling := range []string{
		path, "in", "./in", dir + "/../" + filepath.Base(dir) + "/in", "symlink", "hardlink",
		"/proc/self/fd/" + number, "/dev/fd/" + number,
	} {
		for _, force := range []bool{false, true} {
			_, err := Create(spelling, Options{Force: force, Perm: 0o600, Inputs: []Guarded{in.Guard()}})
			testkit.WantCode(t, err, exit.Output, "is the input as well")
		}
	}
	testkit.WantFiles(t, dir,
		map[string]string{"in": "precious", "symlink": "precious", "hardlink": "precious"})
}

func TestOutputSymlink(t *testing.T) {
	bothWays(t, func(t *testing.T, named bool) {
		dir := t.TempDir()
		testkit.WriteFile(t, filepath.Join(dir, "victim"), "victim")
		for link, to := range map[string]string{"link": "victim", "dangling": "nowhere"} {
			link = filepath.Join(dir, link)
			if err := os.Symlink(to, link); err != nil {
				t.Fatal(err)
			}
			_, err := Create(link, Options{Perm: 0o600})
			testkit.WantCode(t, err, exit.Output, "is a symbolic link")
			out := mustCreate(t, named, link, Options{Perm: 0o600, Force: true})
			mustWrite(t, out, "new")
			if err := out.Commit(); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(link); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s: %v, %v", link, info, err)
			}
		}
		testkit.WantFiles(t, dir, map[string]string{"victim": "victim", "link": "new", "dangling": "new"})
	})
}

func TestOutputRefuses(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteFile(t, filepath.Join(dir, "file"), "x")
	for _, c := range []struct{ target, words string }{
		{dir, "is a directory"},
		{dir + "/", "is a directory"},
		{filepath.Join(dir, "no", "out"), "there is no directory"},
		{filepath.Join(dir, "file", "out"), "not a directory"},
		{filepath.Join(dir, "new") + "/", "is not the name of a file"},
		{"/proc/none", "/proc"},
		{"", "is not the name of a file"},
	} {
		for _, force := range []bool{false, true} {
			_, err := Create(c.target, Options{Perm: 0o600, Force: force})
			testkit.WantCode(t, err, exit.Output, c.words)
		}
	}
}

func TestOutputDevice(t *testing.T) {
	out := mustCreate(t, false, "/dev/full", Options{Perm: 0o600})
	_, err := out.Write([]byte("6 bytes"))
	testkit.WantCode(t, err, exit.Output, "/dev/full: no space left on device")
	out = mustCreate(t, false, "/dev/null", Options{Perm: 0o644})
	mustWrite(t, out, "text")
	if err := out.Commit(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat("/dev/null")
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || info.Mode().Perm() != 0o666 {
		t.Errorf("/dev/null is %v, %v", info.Mode(), err)
	}
}

func TestOutputPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		text, _ := os.ReadFile(path)
		got <- string(text)
	}()
	out := mustCreate(t, false, path, Options{Perm: 0o600})
	mustWrite(t, out, "text")
	if err := out.Commit(); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "text" {
		t.Errorf("read %q", text)
	}
}

// inherit has fd look like one that the process was started with.
func inherit(t *testing.T, fd int) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFD, 0); errno != 0 {
		t.Fatal(errno)
	}
}

// A number is the user's descriptor, never one that the program opened itself.
func TestOwnDescriptorsCannotBeNamed(t *testing.T) {
	path := testkit.WriteFile(t, filepath.Join(t.TempDir(), "keystore"), "precious")
	own, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	name := fmt.Sprint("/dev/fd/", own.Fd())
	_, err = Create(name, Options{Force: true})
	testkit.WantCode(t, err, exit.Output, "bad file descriptor")
	_, err = Open(name)
	testkit.WantCode(t, err, exit.Other, "no such file or directory")
}

func TestOutputDescriptor(t *testing.T) {
	path := testkit.WriteFile(t, filepath.Join(t.TempDir(), "file"), "head ")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inherit(t, int(f.Fd()))
	out := mustCreate(t, false, fmt.Sprint("/dev/fd/", f.Fd()), Options{})
	mustWrite(t, out, "tail")
	if err := out.Commit(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "head tail" {
		t.Errorf("%q, %v", text, err)
	}
	_, err = Create("/dev/fd/987", Options{})
	testkit.WantCode(t, err, exit.Output, "bad file descriptor")
}
