package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// full is a pipe that takes nothing more until somebody reads.
func full(t *testing.T) pipeEnds {
	t.Helper()
	p := pipe(t)
	fd := int(p.w.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{4096, 1} {
		for {
			if _, err := syscall.Write(fd, make([]byte, n)); errors.Is(err, syscall.EAGAIN) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return p
}

// An output takes its time to reach the disk. What has the input's name by then, and was not read,
// is not removed. A log that takes no line is what holds the run up here.
func TestRemoveKeepsWhatWasNotRead(t *testing.T) {
	r := newPipeRig(t)
	for name, change := range map[string]func(input string) error{
		"appended": func(input string) error {
			f, err := os.OpenFile(input, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("more\n")
			return err
		},
		"replaced": func(input string) error {
			if err := os.WriteFile(input+".new", []byte("another\n"), 0o600); err != nil {
				return err
			}
			return os.Rename(input+".new", input)
		},
	} {
		input := filepath.Join(t.TempDir(), "f")
		write(t, input, r.read("f"))
		log := full(t)
		c := exec.Command("envseal", "encrypt", "--rm", "--log-json", "fd:3", input)
		c.ExtraFiles, c.Stderr = []*os.File{log.w}, new(bytes.Buffer)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		log.w.Close()
		for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(input + ".sealed"); err == nil {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%s: nothing was sealed\n%s", name, c.Stderr)
			}
		}
		if err := change(input); err != nil {
			t.Fatal(err)
		}
		go log.r.Read(make([]byte, 1<<20))
		code := r.ends(c)
		if code != 1 || !bytes.Contains(c.Stderr.(*bytes.Buffer).Bytes(), []byte("the input is kept")) {
			t.Errorf("%s: exit code %d\n%s", name, code, c.Stderr)
		}
		if _, err := os.Stat(input); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
