package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
)

// Text may go to a terminal, and so may what is meant to.
func TestTextOnTerminal(t *testing.T) {
	dir := t.TempDir()
	_, key := testkit.StoreWithKey(t, dir+"/keystore")
	for _, args := range [][]string{
		{"encrypt", "-a", "-k", "local:" + key.ARN},
		{"keystore", "export", "-o", "-", "--plaintext-insecure"},
	} {
		args = append(append([]string{"envseal"}, args...), "--keystore", dir+"/keystore")
		child := exec.Command(os.Args[0], "-test.run=^TestMainProcess$", "--", strings.Join(args, "\x1f"))
		child.Env = append(os.Environ(), mainVariable+"=1", "GORACE=atexit_sleep_ms=0")
		child.Stdin = strings.NewReader("text")
		terminal := testkit.OnTerminal(t, child, 80)
		terminal.Expect(t, "")
		if status := testkit.ExitStatus(t, child.Wait()); status != 0 {
			t.Errorf("%v: status %d, %q", args, status, terminal.Seen)
		}
	}
}

// What is being typed and a bar would overwrite each other.
func TestNoBarWhileTyping(t *testing.T) {
	dir := t.TempDir()
	_, key := testkit.StoreWithKey(t, dir+"/keystore")
	for mode, want := range map[string]bool{"auto": false, "always": true} {
		args := []string{"envseal", "encrypt", "--keystore", dir + "/keystore", "-k", "local:" + key.ARN,
			"--progress", mode, "-o", dir + "/" + mode}
		child := exec.Command(os.Args[0], "-test.run=^TestMainProcess$", "--", strings.Join(args, "\x1f"))
		child.Env = append(os.Environ(), mainVariable+"=1", "GORACE=atexit_sleep_ms=0")
		child.Stdin = os.Stdin
		terminal := testkit.OnTerminal(t, child, 80)
		fmt.Fprint(terminal.Master, "some words\n")
		terminal.Expect(t, "some words")
		time.Sleep(600 * time.Millisecond)
		fmt.Fprint(terminal.Master, "\x04")
		terminal.Expect(t, "")
		if status := testkit.ExitStatus(t, child.Wait()); status != 0 {
			t.Errorf("%s: status %d, %q", mode, status, terminal.Seen)
		}
		if drawn := strings.Contains(string(terminal.Seen), "\x1b[K"); drawn != want {
			t.Errorf("%s: a bar was drawn: %v, %q", mode, drawn, terminal.Seen)
		}
	}
}
