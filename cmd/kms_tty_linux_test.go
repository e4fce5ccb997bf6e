package cmd

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

const mainVariable = "ENVSEAL_TEST_MAIN"

// TestMainProcess is the program itself where TestKMSOnTerminal starts it.
func TestMainProcess(t *testing.T) {
	if os.Getenv(mainVariable) == "" {
		return // an ordinary run of the tests
	}
	os.Exit(Main(strings.Split(os.Args[len(os.Args)-1], "\x1f")))
}

func TestKMSOnTerminal(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/keystore"
	_, key := testkit.StoreWithKey(t, path)
	for _, c := range []struct {
		extra string // arguments
		want  string // what the terminal shows
		exit  int
	}{
		{"", "hint: --plaintext-out FILE", exit.Output},
		{"--query Plaintext", "stdout: is a terminal, and the answer holds the key in Plaintext",
			exit.Output},
		{"--query *", "hint: --plaintext-out FILE", exit.Output},
		{"--plaintext-out /dev/stdout", "/dev/stdout: is a terminal", exit.Output},
		{"--query KeyId", key.ARN, 0},
		{"--force", `"Plaintext": "`, 0},
		{"--plaintext-out " + dir + "/key", `"CiphertextBlob": "`, 0},
		{"--dry-run", "DryRunOperationException", exit.Other},
	} {
		args := append(strings.Fields("envseal kms generate-data-key --key-spec AES_256 --keystore "+path+
			" --key-id local:"+key.ARN), strings.Fields(c.extra)...)
		child := exec.Command(os.Args[0], "-test.run=^TestMainProcess$", "--", strings.Join(args, "\x1f"))
		child.Env = append(os.Environ(), mainVariable+"=1", "GORACE=atexit_sleep_ms=0")
		terminal := testkit.OnTerminal(t, child, 200)
		terminal.Expect(t, "")
		status := testkit.ExitStatus(t, child.Wait())
		shown := string(terminal.Seen)
		if status != c.exit || !strings.Contains(shown, c.want) {
			t.Errorf("%q: exit %d: %s", c.extra, status, shown)
		}
		if strings.Contains(shown, `"Plaintext"`) != (c.extra == "--force") {
			t.Errorf("%q: %s", c.extra, shown)
		}
	}
	info, err := os.Stat(dir + "/key")
	if err != nil || info.Size() != 32 || info.Mode().Perm() != 0o600 {
		t.Errorf("--plaintext-out: %v, %v", info, err)
	}
}
