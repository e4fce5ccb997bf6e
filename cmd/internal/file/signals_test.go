package file

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/cmd/internal/ui"
)

func init() {
	testkit.Children["write"] = childWrite
	testkit.Children["stdout"] = childStdout
	testkit.Children["text"] = childText
	testkit.Children["messages"] = childMessages
	testkit.Children["limit"] = childLimit
	testkit.Children["drop"] = childDrop
	testkit.Children["through"] = childThrough
}

func TestChildProcess(t *testing.T) {
	testkit.BeChild(func() { proc.Catch(ui.HideProgress, ui.ReportProgress) })
}

// childWrite writes half of an output, tells that it has come to the phase, and stays there.
func childWrite(args []string) error {
	phase, target := args[0], args[1]
	if strings.Contains(phase, "named") {
		if err := testkit.OtherMachine("named"); err != nil {
			return err
		}
	}
	fmt.Println("started")
	if phase == "open" {
		fmt.Println(phase)
		_, err := Open(target + ".pipe")
		return err
	}
	out, err := Create(target, Options{Perm: 0o600, Force: true})
	if err != nil {
		return err
	}
	if _, err := out.Write(make([]byte, 1<<20)); err != nil {
		return err
	}
	if phase == "committed" {
		if err := out.Commit(); err != nil {
			return err
		}
	}
	if phase == "stuck" {
		proc.AtExit(func() { select {} })
	}
	fmt.Println(phase)
	_, err = os.Stdin.Read(make([]byte, 1))
	return err
}

func TestSignals(t *testing.T) {
	for _, c := range []struct {
		phase   string
		sig     syscall.Signal
		status  int
		message string
	}{
		{"read", syscall.SIGINT, 130, "envseal: interrupted, %s was not written\n"},
		{"read", syscall.SIGTERM, 143, "envseal: interrupted, %s was not written\n"},
		{"read", syscall.SIGHUP, 129, "envseal: interrupted, %s was not written\n"},
		{"read", syscall.SIGQUIT, 131, "envseal: interrupted, %s was not written\n"},
		{"read, named", syscall.SIGINT, 130, "envseal: interrupted, %s was not written\n"},
		{"read, named", syscall.SIGTERM, 143, "envseal: interrupted, %s was not written\n"},
		{"open", syscall.SIGINT, 130, "envseal: interrupted\n"},
		{"committed", syscall.SIGTERM, 143, "envseal: interrupted\n"},
		{"read", syscall.SIGKILL, 137, ""},
	} {
		t.Run(c.phase+" "+c.sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			target := testkit.WriteFile(t, filepath.Join(dir, "out"), "old")
			status, said := signalAt(t, c.phase, c.sig, target)
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			if want := strings.ReplaceAll(c.message, "%s", target); said != want {
				t.Errorf("said %q, want %q", said, want)
			}
			want := "old"
			if c.phase == "committed" {
				want = ""
			}
			testkit.WantFiles(t, dir, map[string]string{"out": want})
		})
	}
}

// signalAt sends sig to a child that writes target once it has come to the phase.
func signalAt(t *testing.T, phase string, sig syscall.Signal,
	target string) (status int, said string) {
	t.Helper()
	if err := syscall.Mkfifo(target+".pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(target + ".pipe")
	child, stderr := testkit.StartChild(t, "write", phase, target)
	testkit.StartAt(t, child, phase)
	began := time.Now()
	child.Process.Signal(sig)
	status = testkit.ExitStatus(t, child.Wait())
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	return status, stderr.String()
}

// A signal that was ignored from the start stays ignored.
func TestIgnoredSignal(t *testing.T) {
	child, stderr := testkit.StartChild(t, "write", "read", filepath.Join(t.TempDir(), "out"))
	// By way of a shell, as package signal cannot take back an Ignore, and the children of later tests
	// would inherit it.
	child.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`}, child.Args...)
	child.Path = "/bin/sh"
	testkit.StartAt(t, child, "read")
	child.Process.Signal(syscall.SIGHUP)
	time.Sleep(100 * time.Millisecond)
	child.Process.Signal(syscall.SIGTERM)
	if status := testkit.ExitStatus(t, child.Wait()); status != 143 {
		t.Errorf("status %d, want that of the second signal; %s", status, stderr)
	}
}

// childStdout writes without end to standard output, with a named temp file beside it.
func childStdout(args []string) error {
	if err := testkit.OtherMachine("named"); err != nil {
		return err
	}
	if _, err := Create(args[0], Options{Perm: 0o600}); err != nil {
		return err
	}
	out, err := Stdout(false)
	for err == nil {
		_, err = out.Write(make([]byte, 4096))
	}
	return err
}

func childText([]string) (err error) {
	for err == nil {
		_, err = fmt.Fprintln(StdoutText(), "text")
	}
	return err
}

func TestClosedPipe(t *testing.T) {
	for _, name := range []string{"stdout", "text"} {
		dir := t.TempDir()
		child, stderr := testkit.StartChild(t, name, filepath.Join(dir, "out"))
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(stdout, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		stdout.Close()
		if status := testkit.ExitStatus(t, child.Wait()); status != 141 || stderr.Len() > 0 {
			t.Errorf("%s: status %d, want 141; said %q", name, status, stderr)
		}
		testkit.WantFiles(t, dir, nil)
	}
}

// childMessages goes on although nobody reads its messages.
func childMessages(args []string) error {
	out, err := Create(args[0], Options{Perm: 0o600})
	if err != nil {
		return err
	}
	for range 10 {
		fmt.Fprintln(os.Stderr, "a message")
	}
	if _, err := out.Write([]byte("text")); err != nil {
		return err
	}
	return out.Commit()
}

func TestClosedStderr(t *testing.T) {
	dir := t.TempDir()
	child, _ := testkit.StartChild(t, "messages", filepath.Join(dir, "out"))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	child.Stderr = w
	if status := testkit.ExitStatus(t, child.Run()); status != 0 {
		t.Errorf("status %d", status)
	}
	w.Close()
	testkit.WantFiles(t, dir, map[string]string{"out": "text"})
}
