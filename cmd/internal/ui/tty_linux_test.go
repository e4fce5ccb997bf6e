package ui

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

func init() { testkit.Children["ask"], testkit.Children["bar"] = childAsk, childBar }

// childAsk asks for a passphrase and tells its length.
func childAsk(args []string) error {
	passphrase, err := Passphrase("Passphrase: ", args[0] == "twice")
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
			child, _ := testkit.StartChild(t, "ask", c.how)
			terminal := testkit.OnTerminal(t, child, 80)
			terminal.Expect(t, "Passphrase: ")
			if terminal.Echo(t) {
				t.Error("what is typed is shown")
			}
			fmt.Fprint(terminal.Master, c.typed)
			if c.again != "" {
				terminal.Expect(t, "Again: ")
				fmt.Fprint(terminal.Master, c.again)
			}
			terminal.Expect(t, c.want)
			if strings.Contains(string(terminal.Seen), "horse") {
				t.Errorf("the passphrase was shown: %q", terminal.Seen)
			}
			if !terminal.Echo(t) {
				t.Error("the echo is still off")
			}
			child.Wait()
		})
	}
}

func TestReadPassphraseSignal(t *testing.T) {
	for _, typed := range []string{"", "\x03"} { // sent, or typed as ^C
		child, _ := testkit.StartChild(t, "ask", "once")
		terminal := testkit.OnTerminal(t, child, 80)
		terminal.Expect(t, "Passphrase: ")
		want := 130
		if fmt.Fprint(terminal.Master, typed); typed == "" {
			child.Process.Signal(syscall.SIGTERM)
			want = 143
		}
		if status := testkit.ExitStatus(t, child.Wait()); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
		if !terminal.Echo(t) {
			t.Error("the echo is still off")
		}
	}
}

func TestReadPassphraseNoTerminal(t *testing.T) {
	child, stderr := testkit.StartChild(t, "ask", "once")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	status := testkit.ExitStatus(t, child.Run())
	if status != exit.Usage || !strings.Contains(stderr.String(), "there is no terminal") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// childBar works for a second.
func childBar(args []string) error {
	p := NewProgress(Mode(args[0]), "some file", 1<<30, false)
	for range 10 {
		p.Add(1 << 26)
		if args[1] == "slow" {
			time.Sleep(100 * time.Millisecond)
		}
	}
	p.Finish(nil)
	return nil
}

func TestBarOnTerminal(t *testing.T) {
	began := time.Now()
	child, _ := testkit.StartChild(t, "bar", "auto", "slow")
	terminal := testkit.OnTerminal(t, child, 40)
	terminal.Expect(t, "")
	child.Wait()
	most := int(time.Since(began)/barInterval) + 2
	text := string(terminal.Seen)
	drawn := strings.Split(strings.TrimSuffix(text, "\r\x1b[K"), "\r")
	if len(drawn) < 5 || len(drawn) > most || !strings.HasSuffix(text, "\x1b[K\r\x1b[K") {
		t.Errorf("drawn %d times, or not wiped: %q", len(drawn)-1, text)
	}
	for _, line := range drawn {
		if line = strings.TrimSuffix(line, "\x1b[K"); len(line) > 39 {
			t.Errorf("%d columns of 40: %q", len(line), line)
		}
	}

	child, _ = testkit.StartChild(t, "bar", "auto", "fast")
	terminal = testkit.OnTerminal(t, child, 40)
	terminal.Expect(t, "")
	child.Wait()
	if len(terminal.Seen) > 0 {
		t.Errorf("a bar for short work: %q", terminal.Seen)
	}
}
