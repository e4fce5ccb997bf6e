package child

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/cmd/internal/ui"
)

func init() { testkit.Children["produce"] = childProduce }

// childProduce reads all that a command writes and tells what it was.
func childProduce(args []string) error {
	in, err := Open(&Line{shell: args[0]})
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	fmt.Fprintf(os.Stderr, "read %q\n", text)
	if err == nil && ui.InBackground(os.Stderr) {
		err = exit.Errorf(exit.Other, "", "the terminal was not given back")
	}
	return err
}

// A command that asks for a password gets the terminal for that, although it is in a process group
// of its own.
func TestCommandGetsTheTerminal(t *testing.T) {
	child, _ := testkit.StartChild(t, "produce", `echo before; read secret < /dev/tty; echo "$secret"`)
	terminal := testkit.OnTerminal(t, child, 80)
	time.Sleep(200 * time.Millisecond)
	fmt.Fprint(terminal.Master, "open sesame\n")
	terminal.Expect(t, `read "before\nopen sesame\n"`)
	if status := testkit.ExitStatus(t, child.Wait()); status != 0 {
		t.Errorf("status %d: %q", status, terminal.Seen)
	}
}

// ^C typed while the command has the terminal ends it, and so everything.
func TestInterruptTypedToCommand(t *testing.T) {
	child, _ := testkit.StartChild(t, "produce", `echo before; read secret < /dev/tty; echo "$secret"`)
	terminal := testkit.OnTerminal(t, child, 80)
	time.Sleep(200 * time.Millisecond)
	fmt.Fprint(terminal.Master, "\x03")
	terminal.Expect(t, "ended by signal 2")
	if status := testkit.ExitStatus(t, child.Wait()); status != exit.Producer {
		t.Errorf("status %d: %q", status, terminal.Seen)
	}
}

// The end of the input of a command that is given up comes after its own end: here it would leave a
// file.
func TestConsumerIsEndedBeforeItsInput(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "ended")
	for _, shell := range []string{
		"cat > /dev/null; touch " + mark,
		"trap '' TERM; cat > /dev/null; touch " + mark,
		"cat | cat > /dev/null && touch " + mark,
		// what reads is not the child
		"exec 3<&0; (cat <&3 > /dev/null; touch " + mark + ") & exec sleep 1000",
	} {
		c, err := NewConsumer(&Line{shell: shell})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("a part")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		c.Abort()
		c.Abort()
		if err := syscall.Kill(-c.child.pid, 0); err != syscall.ESRCH {
			t.Errorf("%s: is still there, if only as a zombie: %v", shell, err)
		}
		time.Sleep(50 * time.Millisecond)
		if _, err := os.Stat(mark); err == nil {
			t.Fatalf("%s: took a part for the whole", shell)
		}
	}
}

// A read that is given up returns, from a pipe, a FIFO and a producer that has closed its output
// and goes on.
func TestInterruptedInput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	// as if the process had been started with it
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, r.Fd(), syscall.F_SETFD, 0); errno != 0 {
		t.Fatal(errno)
	}
	pipe, err := file.Open(fmt.Sprintf("/dev/fd/%d", r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	command, err := Open(&Line{argv: []string{"sh", "-c", "exec >&-; sleep 1000"}})
	if err != nil {
		t.Fatal(err)
	}
	named, err := file.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	for _, in := range []*file.Input{pipe, named, command} {
		time.AfterFunc(50*time.Millisecond, in.Interrupt)
		for range 2 { // and stays given up
			n, err := in.Read(make([]byte, 10))
			if n != 0 || err == nil || !strings.Contains(err.Error(), file.ErrInterrupted.Error()) {
				t.Errorf("%s: %d bytes, %v", in.Name, n, err)
			}
		}
	}
	command.Close()
	pipe.Close()
}
