package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// terminal is a pseudo-terminal: what the child shows is read from master into seen, and what is written to master is typed.
type terminal struct {
	master *os.File
	seen   []byte
}

// onTerminal starts child with a terminal of its own as controlling terminal, standard output and standard error, and where the
// child is given os.Stdin, as standard input.
func onTerminal(t *testing.T, child *exec.Cmd, columns uint16) *terminal {
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
		if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
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
	return &terminal{master: master}
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

// expect reads until words have been shown; "" reads to the end.
func (p *terminal) expect(t *testing.T, words string) {
	t.Helper()
	p.master.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 4096)
	for words == "" || !strings.Contains(string(p.seen), words) {
		n, err := p.master.Read(buf)
		p.seen = append(p.seen, buf[:n]...)
		if err != nil {
			if words != "" {
				t.Fatalf("saw %q, not %q: %v", p.seen, words, err)
			}
			return
		}
	}
}

func (p *terminal) echo(t *testing.T) bool {
	t.Helper()
	termios, err := ioctl(p.master, func(fd int) (*unix.Termios, error) { return unix.IoctlGetTermios(fd, unix.TCGETS) })
	if err != nil {
		t.Fatal(err)
	}
	return termios.Lflag&unix.ECHO != 0
}

func init() { children["ask"], children["bar"] = childAsk, childBar }

// childAsk asks for a passphrase and tells its length.
func childAsk(args []string) error {
	passphrase, err := readPassphrase("Passphrase: ", args[0] == "twice")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "got %d\n", len(passphrase))
	clear(passphrase)
	return nil
}

func TestReadPassphrase(t *testing.T) {
	for _, c := range []struct{ name, how, typed, again, want string }{
		{"once", "once", "correct horse\n", "", "got 13"},
		{"twice", "twice", "correct horse\n", "correct horse\n", "got 13"},
		{"different", "twice", "correct horse\n", "battery staple\n", "are not the same"},
		{"empty", "once", "\n", "", "is empty"},
		{"end", "once", "\x04", "", "is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			child, _ := startChild(t, "ask", c.how)
			terminal := onTerminal(t, child, 80)
			terminal.expect(t, "Passphrase: ")
			if terminal.echo(t) {
				t.Error("what is typed is shown")
			}
			fmt.Fprint(terminal.master, c.typed)
			if c.again != "" {
				terminal.expect(t, "Again: ")
				fmt.Fprint(terminal.master, c.again)
			}
			terminal.expect(t, c.want)
			if strings.Contains(string(terminal.seen), "horse") {
				t.Errorf("the passphrase was shown: %q", terminal.seen)
			}
			if !terminal.echo(t) {
				t.Error("the echo is still off")
			}
			child.Wait()
		})
	}
}

func TestReadPassphraseSignal(t *testing.T) {
	for _, typed := range []string{"", "\x03"} { // sent, or typed as ^C
		child, _ := startChild(t, "ask", "once")
		terminal := onTerminal(t, child, 80)
		terminal.expect(t, "Passphrase: ")
		want := 130
		if fmt.Fprint(terminal.master, typed); typed == "" {
			child.Process.Signal(syscall.SIGTERM)
			want = 143
		}
		if status := exitStatus(t, child.Wait()); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
		if !terminal.echo(t) {
			t.Error("the echo is still off")
		}
	}
}

func TestReadPassphraseNoTerminal(t *testing.T) {
	child, stderr := startChild(t, "ask", "once")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if status := exitStatus(t, child.Run()); status != exitUsage || !strings.Contains(stderr.String(), "there is no terminal") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

func TestBinaryOnTerminal(t *testing.T) {
	child, _ := startChild(t, "through")
	child.Stdin = strings.NewReader("text")
	terminal := onTerminal(t, child, 80)
	terminal.expect(t, "stdout: is a terminal")
	if status := exitStatus(t, child.Wait()); status != exitOutput {
		t.Errorf("status %d", status)
	}
}

// Text may go to a terminal, and so may what is meant to.
func TestTextOnTerminal(t *testing.T) {
	dir := t.TempDir()
	_, key := storeWithKey(t, dir+"/keystore")
	for _, args := range [][]string{
		{"encrypt", "-a", "-k", "local:" + key.ARN},
		{"keystore", "export", "-o", "-", "--plaintext-insecure"},
	} {
		args = append(append([]string{"envseal"}, args...), "--keystore", dir+"/keystore")
		child := exec.Command(os.Args[0], "-test.run=^TestMainProcess$", "--", strings.Join(args, "\x1f"))
		child.Env = append(os.Environ(), mainVariable+"=1", "GORACE=atexit_sleep_ms=0")
		child.Stdin = strings.NewReader("text")
		terminal := onTerminal(t, child, 80)
		terminal.expect(t, "")
		if status := exitStatus(t, child.Wait()); status != 0 {
			t.Errorf("%v: status %d, %q", args, status, terminal.seen)
		}
	}
}

// childBar works for a second.
func childBar(args []string) error {
	p := newProgress(progressMode(args[0]), "some file", 1<<30, false)
	for range 10 {
		p.add(1 << 26)
		if args[1] == "slow" {
			time.Sleep(100 * time.Millisecond)
		}
	}
	p.finish(nil)
	return nil
}

func TestBarOnTerminal(t *testing.T) {
	began := time.Now()
	child, _ := startChild(t, "bar", "auto", "slow")
	terminal := onTerminal(t, child, 40)
	terminal.expect(t, "")
	child.Wait()
	most := int(time.Since(began)/barInterval) + 2
	text := string(terminal.seen)
	drawn := strings.Split(strings.TrimSuffix(text, "\r\x1b[K"), "\r")
	if len(drawn) < 5 || len(drawn) > most || !strings.HasSuffix(text, "\x1b[K\r\x1b[K") {
		t.Errorf("drawn %d times, or not wiped: %q", len(drawn)-1, text)
	}
	for _, line := range drawn {
		if line = strings.TrimSuffix(line, "\x1b[K"); len(line) > 39 {
			t.Errorf("%d columns of 40: %q", len(line), line)
		}
	}

	child, _ = startChild(t, "bar", "auto", "fast")
	terminal = onTerminal(t, child, 40)
	terminal.expect(t, "")
	child.Wait()
	if len(terminal.seen) > 0 {
		t.Errorf("a bar for short work: %q", terminal.seen)
	}
}

// What is being typed and a bar would overwrite each other.
func TestNoBarWhileTyping(t *testing.T) {
	dir := t.TempDir()
	_, key := storeWithKey(t, dir+"/keystore")
	for mode, want := range map[string]bool{"auto": false, "always": true} {
		args := []string{"envseal", "encrypt", "--keystore", dir + "/keystore", "-k", "local:" + key.ARN, "--progress", mode, "-o", dir + "/" + mode}
		child := exec.Command(os.Args[0], "-test.run=^TestMainProcess$", "--", strings.Join(args, "\x1f"))
		child.Env = append(os.Environ(), mainVariable+"=1", "GORACE=atexit_sleep_ms=0")
		child.Stdin = os.Stdin
		terminal := onTerminal(t, child, 80)
		fmt.Fprint(terminal.master, "some words\n")
		terminal.expect(t, "some words")
		time.Sleep(600 * time.Millisecond)
		fmt.Fprint(terminal.master, "\x04")
		terminal.expect(t, "")
		if status := exitStatus(t, child.Wait()); status != 0 {
			t.Errorf("%s: status %d, %q", mode, status, terminal.seen)
		}
		if drawn := strings.Contains(string(terminal.seen), "\x1b[K"); drawn != want {
			t.Errorf("%s: a bar was drawn: %v, %q", mode, drawn, terminal.seen)
		}
	}
}
