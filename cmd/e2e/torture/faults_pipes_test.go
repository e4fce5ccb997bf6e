//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTortureClosedPipe has the reader of the output go away after some bytes: a quiet end by
// SIGPIPE, as filters have it.
func TestTortureClosedPipe(t *testing.T) {
	a := count(t, "9", "the reader of the output goes away", ours)
	dir := t.TempDir()
	plain := randomBytes(6 << 20)
	for name, data := range map[string][]byte{"f": plain, "f.sealed": seal(t, plain),
		"z.sealed": seal(t, proseBytes(6<<20), "-z")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"encrypt", "-k", "local:a", "-o", "-", "f"}, {"encrypt", "-k", "local:a", "-z", "-o", "-", "f"},
		{"encrypt", "-k", "local:a", "-a", "-o", "-", "f"},
		{"decrypt", "-o", "-", "f.sealed"}, {"decrypt", "--verify-first", "-o", "-", "f.sealed"},
		{"decrypt", "-o", "-", "z.sealed"}, {"decrypt", "--range", "100:5MiB", "f.sealed"},
		{"encrypt", "-k", "local:a", "-o", "pipe", "-f", "f"},
	} {
		for _, after := range []int64{0, 1, 767, 768, 65_536, 1 << 20, 3 << 20} {
			r, err := readSome(dir, after, args)
			var problems []string
			if err != nil {
				t.Fatal(err)
			}
			if r.code != 128+int(syscall.SIGPIPE) || strings.Contains(r.stderr, "error") {
				problems = append(problems, fmt.Sprintf("exit code %d: %s", r.code, r.stderr))
			}
			a.trial(fmt.Sprintf("%v after %d bytes", args, after),
				append(problems, strangers(dir, "f", "f.sealed", "z.sealed", "pipe")...)...)
		}
	}
}

// readSome runs a command and reads so much of its output. An output with the name pipe is a named
// one.
func readSome(dir string, after int64, args []string) (result, error) {
	r, w, err := namedPipe(filepath.Join(dir, "pipe"))
	if err != nil {
		return result{}, err
	}
	defer r.Close()
	c := command(dir, args...)
	defer w.Close()
	if slices.Contains(args, "pipe") {
		after = max(after, 1) // to open it takes a reader
	} else {
		c.Stdout = w
	}
	go func() {
		_, _ = io.CopyN(io.Discard, r, after)
		r.Close()
	}()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		return result{}, err
	}
	_ = c.Wait()
	return result{code: codeOf(c.ProcessState.Sys().(syscall.WaitStatus)),
		stderr: stderr.String()}, nil
}

// TestTortureProducerDies ends the input early: what decrypt gets is cut off, and nothing of it
// appears; what encrypt gets is all there was.
func TestTortureProducerDies(t *testing.T) {
	a := count(t, "9", "the writer of the input goes away", ours)
	plain := randomBytes(300_000)
	sealed := seal(t, plain)
	dir := t.TempDir()
	for i := range trials(60, 8) {
		cut := i * len(sealed) / trials(60, 8)
		r := envseal(dir, sealed[:cut], "decrypt", "-q", "-o", "out")
		var problems []string
		if want := map[bool]int{true: 7, false: 4}[cut == 0]; r.code != want {
			problems = append(problems, fmt.Sprintf("exit code %d: %s", r.code, r.stderr))
		}
		a.trial(fmt.Sprintf("decrypt of %d bytes", cut), append(problems, strangers(dir)...)...)
		r = envseal(dir, sealed[:cut], "decrypt", "-q")
		if r.code == 0 || !bytes.HasPrefix(plain, r.stdout) {
			a.trial(fmt.Sprintf("decrypt of %d bytes to a pipe", cut),
				fmt.Sprintf("exit code %d, %d bytes", r.code, len(r.stdout)))
		}
	}
}

// TestTortureMessagesToNobody has the reader of the messages go away: the work is done all the
// same.
func TestTortureMessagesToNobody(t *testing.T) {
	a := count(t, "9", "the reader of the messages goes away", ours)
	for _, sc := range scenes(t) {
		s := newStage(t, sc)
		if err := s.set(); err != nil {
			t.Fatal(err)
		}
		loud := bytes.ReplaceAll([]byte(strings.Join(s.args, "\x00")), []byte("-q"), []byte("-v"))
		r, err := s.run(strings.Split(string(loud), "\x00"),
			func(c *exec.Cmd) (syscall.WaitStatus, error) {
				r, w, err := os.Pipe()
				if err != nil {
					return 0, err
				}
				r.Close()
				c.Stderr = w
				if err := c.Start(); err != nil {
					return 0, err
				}
				w.Close()
				_ = c.Wait()
				return c.ProcessState.Sys().(syscall.WaitStatus), nil
			})
		if err != nil {
			t.Fatal(err)
		}
		a.trial(s.name, s.judge(r, expectation{succeeds: true})...)
	}
}

// fullDevice makes a device like /dev/full. That itself is not for those who remove their output
// when they fail, which gpg does.
func fullDevice(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "full")
	makeFull(t, path)
	return path
}

func makeFull(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); err == nil {
		return
	}
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 7))); err != nil {
		t.Fatalf("mknod %s: %v (this takes root)", path, err)
	}
}

// TestTortureDevFull writes to a device that is always full, be it 6 bytes.
func TestTortureDevFull(t *testing.T) {
	dir, device := t.TempDir(), fullDevice(t)
	for _, size := range []int{6, 100_000, 4 << 20} {
		all := duels(t, size)
		counts := tallies(t, "10", fmt.Sprintf("/dev/full, %d bytes", size), all)
		for _, d := range all {
			if err := d.set(dir); err != nil {
				t.Fatal(err)
			}
			way := d.seal
			if d.what == "open" {
				way = d.program.open
			}
			for _, out := range []string{"-", device} {
				makeFull(t, device)
				c := d.command(dir, way("in", out))
				if out == "-" {
					c.Stdout = opened(t, device)
				}
				code := run(c).code
				var problems []string
				if code == 0 || d.name == ours && code != 8 {
					problems = append(problems, fmt.Sprintf("exit code %d", code))
				}
				counts[d.name].trial(d.what+" to "+filepath.Base(out), problems...)
			}
		}
	}
}

func opened(t *testing.T, device string) *os.File {
	t.Helper()
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestTortureTextToFull has every command that prints something print it there.
func TestTortureTextToFull(t *testing.T) {
	a := count(t, "10", "/dev/full, what is printed", ours)
	dir, device := t.TempDir(), fullDevice(t)
	err := os.WriteFile(filepath.Join(dir, "f.sealed"), seal(t, []byte("secret")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"inspect", "f.sealed"}, {"inspect", "--json", "f.sealed"}, {"version"}, {"help"},
		{"help", "exit-codes"}, {"--help"}, {"encrypt", "--help"},
		{"keystore", "list-keys"}, {"kms", "describe-key", "--key-id", "local:a"}, {"keystore", "export"},
	} {
		c := command(dir, args...)
		c.Stdout = opened(t, device)
		var problems []string
		if code := run(c).code; code == 0 {
			problems = append(problems, "exit code 0")
		}
		a.trial(strings.Join(args, " "), problems...)
	}
}
