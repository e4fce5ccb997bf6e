package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"golang.org/x/sys/unix"
)

// childLimit writes 1 MiB where 64 KiB are allowed.
func childLimit(args []string) error {
	err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 64 << 10, Max: 64 << 10})
	if err != nil {
		return err
	}
	if err := testkit.OtherMachine(args[0]); err != nil {
		return err
	}
	out, err := Create(args[1], Options{Perm: 0o600, Force: true})
	if err != nil {
		return err
	}
	defer out.Abort()
	if args[0] == "at" {
		_, err = out.WriteAt([]byte("x"), 1<<20)
	} else {
		_, err = out.Write(make([]byte, 1<<20))
	}
	return err
}

func TestFileSizeLimit(t *testing.T) {
	for _, way := range []string{"unnamed", "named", "at"} {
		dir := t.TempDir()
		target := testkit.WriteFile(t, filepath.Join(dir, "out"), "old")
		child, stderr := testkit.StartChild(t, "limit", way, target)
		status := testkit.ExitStatus(t, child.Run())
		if status != exit.Output || !strings.Contains(stderr.String(), "out: file too large") {
			t.Errorf("%s: status %d, %s", way, status, stderr)
		}
		testkit.WantFiles(t, dir, map[string]string{"out": "old"})
	}
}

// childDrop is not root, whom no mode stops, and tries directories with and without rights.
func childDrop(args []string) error {
	if os.Geteuid() == 0 {
		for _, drop := range []func() error{
			func() error { return syscall.Setgroups(nil) }, func() error { return syscall.Setgid(65534) },
			func() error { return syscall.Setuid(65534) },
		} {
			if err := drop(); err != nil {
				return err
			}
		}
	}
	if _, err := Open(filepath.Join(args[0], "secret")); exit.Code(err) != exit.Other ||
		!errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("input: %v", err)
	}
	_, err := Create(filepath.Join(args[0], "closed", "out"), Options{Perm: 0o600})
	if exit.Code(err) != exit.Output || !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("closed: %v", err)
	}
	for _, named := range []bool{false, true} {
		if named {
			if err := testkit.OtherMachine("named"); err != nil {
				return err
			}
		}
		out, err := Create(filepath.Join(args[0], "blind", fmt.Sprint("out", named)),
			Options{Perm: 0o600})
		if err != nil {
			return err
		}
		if err := out.Commit(); err != nil {
			return err
		}
		dir, err := OpenDir(filepath.Join(args[0], "blind"))
		if err != nil {
			return err
		}
		defer dir.Close()
		if err := dir.Sync(); err != nil { // as for the files of a list
			return err
		}
	}
	return nil
}

func TestOutputPermissions(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"closed": 0o555, "blind": 0o333} {
		err := errors.Join(os.Mkdir(filepath.Join(dir, name), mode),
			os.Chmod(filepath.Join(dir, name), mode))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(testkit.WriteFile(t, filepath.Join(dir, "secret"), "x"), 0); err != nil {
		t.Fatal(err)
	}
	child, stderr := testkit.StartChild(t, "drop", dir)
	if status := testkit.ExitStatus(t, child.Run()); status != 0 {
		t.Errorf("status %d, %s", status, stderr)
	}
	if err := os.Chmod(filepath.Join(dir, "blind"), 0o700); err != nil {
		t.Fatal(err)
	}
	testkit.WantFiles(t, filepath.Join(dir, "blind"), map[string]string{"outfalse": "", "outtrue": ""})
}

// childThrough copies standard input to standard output.
func childThrough([]string) error {
	in, err := Open("-")
	if err != nil {
		return err
	}
	out, err := Stdout(false, in.Guard())
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Commit()
}

func TestStdout(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *os.File {
		t.Helper()
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	testkit.WriteFile(t, filepath.Join(dir, "in"), "text")
	for _, c := range []struct {
		out    *os.File
		status int
		words  string
	}{
		{open(filepath.Join(dir, "out")), 0, ""},
		{open(filepath.Join(dir, "in")), exit.Output, "stdout: is the input as well"},
		{open("/dev/full"), exit.Output, "stdout: no space left on device"},
	} {
		child, stderr := testkit.StartChild(t, "through")
		child.Stdin, child.Stdout = open(filepath.Join(dir, "in")), c.out
		status := testkit.ExitStatus(t, child.Run())
		if status != c.status || !strings.Contains(stderr.String(), c.words) {
			t.Errorf("%s: status %d, %s", c.out.Name(), status, stderr)
		}
	}
	testkit.WantFiles(t, dir, map[string]string{"in": "text", "out": "text"})
}
