package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/e2e/testhome"
	"golang.org/x/sys/unix"
)

// Terminal is a pseudo-terminal.
type Terminal struct {
	Master *os.File // what is written to it is typed
	Seen   []byte   // what the child has shown, as far as it was expected
}

// OnTerminal starts child with a terminal of its own as controlling terminal, standard output and
// standard error, and where the child is given os.Stdin, as standard input.
func OnTerminal(t *testing.T, child *exec.Cmd, columns uint16) *Terminal {
	t.Helper()
	testhome.Need(t)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	number, err := ioctl(master, func(fd int) (int, error) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return 0, err
		}
		err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
		if err != nil {
			return 0, err
		}
		return unix.IoctlGetInt(fd, unix.TIOCGPTN)
	})
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	child.Stdout, child.Stderr = slave, slave
	if child.Stdin == os.Stdin {
		child.Stdin = slave
	}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 2}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	return &Terminal{Master: master}
}

// ioctl uses the descriptor without making it block, so that deadlines keep working.
func ioctl[T any](f *os.File, call func(fd int) (T, error)) (result T, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return result, err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { result, failure = call(int(fd)) })
	if err == nil {
		err = failure
	}
	return result, err
}

// Expect reads until words have been shown; "" reads to the end.
func (p *Terminal) Expect(t *testing.T, words string) {
	t.Helper()
	p.Master.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 4096)
	for words == "" || !strings.Contains(string(p.Seen), words) {
		n, err := p.Master.Read(buf)
		p.Seen = append(p.Seen, buf[:n]...)
		if err != nil {
			if words != "" {
				t.Fatalf("saw %q, not %q: %v", p.Seen, words, err)
			}
			return
		}
	}
}

// Echo tells whether what is typed is shown.
func (p *Terminal) Echo(t *testing.T) bool {
	t.Helper()
	termios, err := ioctl(p.Master, func(fd int) (*unix.Termios, error) {
		return unix.IoctlGetTermios(fd, unix.TCGETS)
	})
	if err != nil {
		t.Fatal(err)
	}
	return termios.Lflag&unix.ECHO != 0
}
