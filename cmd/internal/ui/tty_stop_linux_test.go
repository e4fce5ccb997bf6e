package ui

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
)

// Ctrl-Z at the prompt gives the terminal back to the shell, with the echo on, and what is typed
// there is no passphrase. Back in the foreground it asks again.
func TestStopAtPrompt(t *testing.T) {
	shell := exec.Command("/bin/sh", "-i")
	shell.Env = append(os.Environ(), testkit.ChildVariable+"=ask",
		"GORACE=atexit_sleep_ms=0", "PS1=shell: ", "ENV=")
	shell.Stdin = os.Stdin
	terminal := testkit.OnTerminal(t, shell, 200)
	t.Cleanup(func() {
		terminal.Master.Close() // which hangs up on all of them
		shell.Wait()
	})
	terminal.Expect(t, "shell: ")
	next := func(typed, words string) {
		t.Helper()
		fmt.Fprint(terminal.Master, typed)
		terminal.Expect(t, words)
		terminal.Seen = nil
	}
	next("'"+os.Args[0]+"' -test.run='^TestChildProcess$' -- once\n", "\nPassphrase: ")
	if terminal.Echo(t) {
		t.Error("what is typed is shown")
	}
	next("half of\x1a", "shell: ")
	if !terminal.Echo(t) {
		t.Error("stopped, the echo is off")
	}
	next("echo $((6*7))\n", "42\r\nshell: ")
	next("fg\n", "Passphrase: ")
	for wait := 0; terminal.Echo(t); wait++ {
		if wait == 100 {
			t.Fatal("going on, the echo is on")
		}
		time.Sleep(20 * time.Millisecond)
	}
	next("\x1a", "shell: ")
	next("fg\n", "Passphrase: ")
	next("secret\n", "got 6\r\nshell: ")
	if !terminal.Echo(t) {
		t.Error("in the end, the echo is off")
	}
	fmt.Fprint(terminal.Master, "exit\n")
	terminal.Expect(t, "")
}
