//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// spelling is a way to name the input as the output.
type spelling struct {
	name    string
	in, out string
	prepare func(dir string, c *exec.Cmd) (*os.File, error) // gives what to close afterwards
}

func openFor(extra bool, flags int) func(dir string, c *exec.Cmd) (*os.File, error) {
	return func(dir string, c *exec.Cmd) (*os.File, error) {
		f, err := os.OpenFile(filepath.Join(dir, "in"), flags, 0)
		if extra {
			c.ExtraFiles = []*os.File{f}
		} else {
			c.Stdout = f
		}
		return f, err
	}
}

var spellings = []spelling{
	{name: "path", in: "in", out: "in"},
	{name: "./", in: "in", out: "./in"},
	{name: "sub/../", in: "in", out: "sub/../in"},
	{name: "symbolic link as the output", in: "in", out: "soft"},
	{name: "symbolic link as the input", in: "soft", out: "in"},
	{name: "hard link", in: "in", out: "hard"},
	{name: "bind mount", in: "in", out: "bound/in"},
	{name: "/proc/self/fd", in: "in", out: "/proc/self/fd/3", prepare: openFor(true, os.O_RDWR)},
	{name: "/dev/fd", in: "in", out: "/dev/fd/3", prepare: openFor(true, os.O_RDWR)},
	{name: ">> in", in: "in", out: "-", prepare: openFor(false, os.O_WRONLY|os.O_APPEND)},
	{name: "1<> in", in: "in", out: "-", prepare: openFor(false, os.O_RDWR)},
}

// TestTortureInputIsOutput names one file as both, in eleven spellings.
func TestTortureInputIsOutput(t *testing.T) {
	all := duels(t, 100_000)
	counts := tallies(t, "14", "the input is the output", all)
	dir := newSmallDisk(t, "16m").dir // who appends to what it reads comes to an end there
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "sub"), 0o755), os.Mkdir(filepath.Join(dir, "bound"), 0o755),
		os.Symlink("in", filepath.Join(dir, "soft")), os.WriteFile(filepath.Join(dir, "in"), nil, 0o600),
		os.Link(filepath.Join(dir, "in"), filepath.Join(dir, "hard")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	mount(t, "--bind", dir, filepath.Join(dir, "bound"))
	for _, d := range all {
		for _, s := range spellings {
			// the same inode: the links stay
			if err := os.WriteFile(filepath.Join(dir, "in"), d.in, 0o600); err != nil {
				t.Fatal(err)
			}
			counts[d.name].trial(d.what+": "+s.name, d.intoItself(t, dir, s)...)
			if err := os.Remove(filepath.Join(dir, "in")); err == nil {
				_ = os.Remove(filepath.Join(dir, "hard"))
				_ = os.WriteFile(filepath.Join(dir, "in"), nil, 0o600)
				_ = os.Link(filepath.Join(dir, "in"), filepath.Join(dir, "hard"))
			}
			_ = os.Remove(filepath.Join(dir, "soft"))
			_ = os.Symlink("in", filepath.Join(dir, "soft"))
		}
	}
}

func (d *duel) intoItself(t *testing.T, dir string, s spelling) (problems []string) {
	way := d.seal
	if d.what == "open" {
		way = d.program.open
	}
	c := d.command(dir, way(s.in, s.out))
	if s.prepare != nil {
		f, err := s.prepare(dir, c)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	r := run(c)
	if now, err := os.ReadFile(filepath.Join(dir, "in")); err != nil || !bytes.Equal(now, d.in) {
		problems = append(problems, fmt.Sprintf("exit code %d, and the input is gone", r.code))
	}
	if d.name == ours && (r.code != 8 || !strings.Contains(r.stderr, "is the input as well")) {
		problems = append(problems, fmt.Sprintf("exit code %d: %s", r.code, r.stderr))
	}
	return append(problems, strangers(dir, "in", "sub", "bound", "soft", "hard")...)
}

// TestTortureOutputIsLink has a symbolic link where the output is to be: to a file, to nothing, to
// itself and to a directory.
func TestTortureOutputIsLink(t *testing.T) {
	all := duels(t, 100_000)
	counts := tallies(t, "15", "the output is a symbolic link", all)
	dir := t.TempDir()
	for _, d := range all {
		for _, to := range []string{"victim", "nothing", "out", "folder"} {
			if err := d.set(dir); err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{
				os.Mkdir(filepath.Join(dir, "folder"), 0o755),
				os.WriteFile(filepath.Join(dir, "victim"), []byte("victim"), 0o600),
				os.Remove(filepath.Join(dir, "out")), os.Symlink(to, filepath.Join(dir, "out")),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			counts[d.name].trial(d.what+" to a link to "+to, d.judgeLink(dir, to)...)
		}
	}
}

// judgeLink runs the program, ours without -f and then with it.
func (d *duel) judgeLink(dir, to string) (problems []string) {
	if d.name == ours {
		var unforced []string
		for _, a := range d.args {
			if a != "-f" {
				unforced = append(unforced, a)
			}
		}
		r := run(d.command(dir, unforced))
		if r.code != 8 || !strings.Contains(r.stderr, "out: is a symbolic link") {
			problems = append(problems, fmt.Sprintf("without -f: %d %s", r.code, r.stderr))
		}
		if link, err := os.Readlink(filepath.Join(dir, "out")); err != nil || link != to {
			problems = append(problems, "without -f: the link is gone")
		}
	}
	r := run(d.begin(dir))
	if b, err := os.ReadFile(filepath.Join(dir, "victim")); err != nil || string(b) != "victim" {
		problems = append(problems, "what the link leads to was overwritten")
	}
	if _, err := os.Lstat(filepath.Join(dir, "nothing")); err == nil {
		problems = append(problems, "what the link leads to was made")
	}
	if d.name == ours {
		b, err := os.ReadFile(filepath.Join(dir, "out"))
		info, lerr := os.Lstat(filepath.Join(dir, "out"))
		if r.code != 0 || err != nil || lerr != nil || !info.Mode().IsRegular() || d.is(b) != "" {
			problems = append(problems, fmt.Sprintf("with -f: %d %s", r.code, r.stderr))
		}
	}
	return append(problems, strangers(dir, "in", "out", "victim", "folder", "nothing")...)
}

// TestTortureStrangeInputs gives every command what is no regular file. A named pipe is as good as
// a file; nothing else is taken for one in silence.
func TestTortureStrangeInputs(t *testing.T) {
	a := count(t, "17", "input is a directory, a device, a socket or a named pipe", ours)
	dir := t.TempDir()
	for _, err := range []error{os.Mkdir(filepath.Join(dir, "directory"), 0o755),
		unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	sealed := seal(t, randomBytes(100_000))
	for _, args := range [][]string{
		{"encrypt", "-q", "-k", "local:a", "-o", "out"}, {"decrypt", "-q", "-o", "out"}, {"verify"},
		{"inspect"}, {"rewrap", "--to", "local:b"},
	} {
		for _, name := range []string{"directory", "socket", "/dev/null", "/dev/zero", "/dev/tty"} {
			r := envseal(dir, nil, with(args, name)...)
			var problems []string
			if r.code != 2 || !strings.Contains(r.stderr, name) {
				problems = append(problems, fmt.Sprintf("exit code %d: %s", r.code, r.stderr))
			}
			a.trial(args[0]+" "+name, append(problems, strangers(dir, "directory", "pipe", "socket")...)...)
		}
		if args[0] != "rewrap" {
			a.trial(args[0]+" of a named pipe", throughPipe(dir, args, sealed)...)
		}
	}
}

// throughPipe runs a command on a named pipe that brings data.
func throughPipe(dir string, args []string, data []byte) (problems []string) {
	go func() {
		if f, err := os.OpenFile(filepath.Join(dir, "pipe"), os.O_WRONLY, 0); err == nil {
			_, _ = f.Write(data)
			f.Close()
		}
	}()
	r := envseal(dir, nil, with(args, "pipe")...)
	if r.code != 0 {
		problems = append(problems, fmt.Sprintf("exit code %d: %s", r.code, r.stderr))
	}
	if args[0] == "encrypt" || args[0] == "decrypt" {
		out, err := os.ReadFile(filepath.Join(dir, "out"))
		switch {
		case err != nil:
			problems = append(problems, err.Error())
		case args[0] == "decrypt" && !bytes.Equal(out, randomBytes(100_000)):
			problems = append(problems, "is not the data")
		case args[0] == "encrypt":
			if wrong := opensTo(data)(out); wrong != "" {
				problems = append(problems, wrong)
			}
		}
		if err := os.Remove(filepath.Join(dir, "out")); err != nil && !os.IsNotExist(err) {
			problems = append(problems, err.Error())
		}
	}
	return problems
}
