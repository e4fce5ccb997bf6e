package file

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"golang.org/x/sys/unix"
)

func mustOpen(t *testing.T, path string) *Input {
	t.Helper()
	in, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func TestOpenInputRefuses(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, c := range []struct {
		path  string
		code  int
		words string
	}{
		{dir, exit.Usage, "is a directory"},
		{"/dev/null", exit.Usage, "is a device"},
		{"/dev/zero", exit.Usage, "is a device"},
		{socket, exit.Usage, "is a socket"},
		{filepath.Join(dir, "none"), exit.Other, "none: no such file or directory"},
		{filepath.Join(dir, "a\x1b[2Jb"), exit.Other, `\x1b[2Jb": no such file`},
	} {
		_, err := Open(c.path)
		testkit.WantCode(t, err, c.code, c.words)
	}
	_, err = Open(filepath.Join(dir, "none"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}
}

func TestOpenInputRegular(t *testing.T) {
	path := testkit.WriteFile(t, filepath.Join(t.TempDir(), "file"), "0123456789")
	in := mustOpen(t, path)
	if !in.Regular || in.Left != 10 || in.Name != path {
		t.Fatalf("regular %v, size %d, name %q", in.Regular, in.Left, in.Name)
	}
	text, err := io.ReadAll(in)
	if err != nil || string(text) != "0123456789" {
		t.Fatalf("read %q, %v", text, err)
	}
	if err := in.CheckUnchanged(); err != nil {
		t.Error(err)
	}
}

func TestInputPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(path, []byte("through a pipe"), 0)
	in := mustOpen(t, path)
	text, err := io.ReadAll(in)
	if err != nil || string(text) != "through a pipe" || in.Regular || in.Left != -1 {
		t.Fatalf("read %q, %v; regular %v, size %d", text, err, in.Regular, in.Left)
	}
	if err := in.CheckUnchanged(); err != nil {
		t.Error(err)
	}
}

// The files of /proc say that they are empty.
func TestInputGenerated(t *testing.T) {
	in := mustOpen(t, "/proc/self/status")
	text, err := io.ReadAll(in)
	if err != nil || len(text) == 0 {
		t.Fatalf("read %q, %v", text, err)
	}
	if in.Regular || in.Left != -1 {
		t.Errorf("regular %v, size %d", in.Regular, in.Left)
	}
	if err := in.CheckUnchanged(); err != nil {
		t.Error(err)
	}
}

func TestStandardInput(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(testkit.WriteFile(t, filepath.Join(dir, "file"), "0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(4, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	in, err := standardInput(f)
	if err != nil || !in.Regular || in.Left != 6 || in.Name != "stdin" {
		t.Fatalf("%+v, %v", in, err)
	}
	appendTo(t, f.Name(), "x")
	testkit.WantCode(t, in.CheckUnchanged(), exit.Other, "stdin: changed")

	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = standardInput(d)
	testkit.WantCode(t, err, exit.Usage, "stdin: is a directory")
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestCheckUnchanged(t *testing.T) {
	other := func(t *testing.T, path string) string {
		return testkit.WriteFile(t, path+".other", "0123456789")
	}
	for _, c := range []struct {
		name    string
		change  func(t *testing.T, path string) error
		changed bool
	}{
		{"nothing", func(*testing.T, string) error { return nil }, false},
		{"mode", func(_ *testing.T, p string) error { return os.Chmod(p, 0o400) }, false},
		{"hard link", func(_ *testing.T, p string) error { return os.Link(p, p+".link") }, false},
		{"removed", func(_ *testing.T, p string) error { return os.Remove(p) }, false},
		{"grown", func(t *testing.T, p string) error { appendTo(t, p, "x"); return nil }, true},
		{"shrunk", func(_ *testing.T, p string) error { return os.Truncate(p, 3) }, true},
		{"touched", func(_ *testing.T, p string) error {
			return os.Chtimes(p, time.Time{}, time.Now().Add(time.Hour))
		}, true},
		{"rewritten", func(_ *testing.T, p string) error {
			return os.WriteFile(p, []byte("9876543210"), 0)
		}, true},
		{"replaced", func(t *testing.T, p string) error { return os.Rename(other(t, p), p) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := testkit.WriteFile(t, filepath.Join(t.TempDir(), "file"), "0123456789")
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
			in := mustOpen(t, path)
			if err := c.change(t, path); err != nil {
				t.Fatal(err)
			}
			if err := in.CheckUnchanged(); (err != nil) != c.changed {
				t.Errorf("changed: %v; want %v", err, c.changed)
			}
		})
	}
}

func TestReadErrorNamesTheFile(t *testing.T) {
	in := mustOpen(t, testkit.WriteFile(t, filepath.Join(t.TempDir(), "file"), "x"))
	unix.Close(in.fd)
	_, err := in.Read(make([]byte, 1))
	testkit.WantCode(t, err, exit.Other, "file: ")
	_, err = in.ReadAt(make([]byte, 1), 0)
	testkit.WantCode(t, err, exit.Other, "file: ")
}

func TestPerms(t *testing.T) {
	path := testkit.WriteFile(t, filepath.Join(t.TempDir(), "file"), "x")
	for _, c := range []struct{ mode, sealed, opened os.FileMode }{
		{0o644, 0o644, 0o600}, {0o600, 0o600, 0o600}, {0o400, 0o400, 0o400},
		{0o777, 0o777, 0o600}, {0o040, 0o040, 0},
		{0o755 | os.ModeSetuid, 0o755, 0o600},
	} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		in, err := StatPath(path, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := SealedPerm(&in); got != c.sealed {
			t.Errorf("%v: sealed %v, want %v", c.mode, got, c.sealed)
		}
		if got := OpenedPerm(&in, false); got != c.opened {
			t.Errorf("%v: opened %v, want %v", c.mode, got, c.opened)
		}
		if got := OpenedPerm(&in, true); got != c.sealed {
			t.Errorf("%v: opened as it was %v, want %v", c.mode, got, c.sealed)
		}
	}
}

func TestPermsOfPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	in, err := standardInput(r)
	if err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	if got := SealedPerm(&in.Stat); got != 0o640 {
		t.Errorf("sealed %v, want 0640", got)
	}
	if got := OpenedPerm(&in.Stat, true); got != 0o600 {
		t.Errorf("opened %v, want 0600", got)
	}
}
