package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
)

// TestServeBehindPrompt: Ctrl-C at the prompt of the shell that started the server by
// `eval "$(... &)"` is not for the server. SIGTERM ends it.
func TestServeBehindPrompt(t *testing.T) {
	dir := t.TempDir()
	testkit.StoreWithKey(t, dir+"/keystore")
	args := strings.Join([]string{"envseal", "keystore", "serve", "--keystore", dir + "/keystore",
		"--pid-file", dir + "/pid"}, "\x1f")
	shell := exec.Command("bash", "--norc", "--noprofile", "-i")
	shell.Env = append(os.Environ(), mainVariable+"=1", "GORACE=atexit_sleep_ms=0", "PS1=$ ",
		"SELF="+os.Args[0], "ARGS="+args)
	shell.Stdin = os.Stdin // the terminal
	terminal := testkit.OnTerminal(t, shell, 500)
	terminal.Expect(t, "$ ")
	fmt.Fprint(terminal.Master,
		`eval "$("$SELF" '-test.run=^TestMainProcess$' -- "$ARGS" &)"; echo at $AWS_ENDPOINT_URL_KMS.`+
			"\n")
	terminal.Expect(t, "at http://127.0.0.1:")
	pid := filepath.Join(dir, "pid") // there while the server is; its process may stay as a zombie
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	server, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(server, syscall.SIGKILL) })
	for range 5 {
		fmt.Fprint(terminal.Master, "\x03")
		time.Sleep(100 * time.Millisecond)
	}
	if _, err := os.Stat(pid); err != nil {
		t.Fatalf("ended by Ctrl-C at the prompt: %v", err)
	}
	if err := syscall.Kill(server, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := os.Stat(pid); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("still there after SIGTERM")
}
