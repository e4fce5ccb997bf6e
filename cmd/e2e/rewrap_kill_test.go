package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRewrapKilled kills `envseal rewrap` 100 times, at random and in the moment in which the header is overwritten, and opens the file after each. In the end it has the modification
// time that all of them were to keep. What a power cut would do in addition is simulated in package cmd.
func TestRewrapKilled(t *testing.T) {
	dir := t.TempDir()
	env := append(os.Environ(), "ENVSEAL_KEYSTORE="+filepath.Join(dir, "keystore"))
	command := func(args ...string) *exec.Cmd {
		c := exec.Command("envseal", args...)
		c.Dir, c.Env = dir, env
		return c
	}
	envseal := func(args ...string) string {
		t.Helper()
		out, err := command(args...).CombinedOutput()
		if err != nil {
			t.Fatalf("envseal %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	file, journal := filepath.Join(dir, "f.sealed"), filepath.Join(dir, ".envseal-f.sealed.journal")
	if err := os.WriteFile(filepath.Join(dir, "f"), randomBytes(100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	envseal("keystore", "init", "--plaintext-insecure")
	keys := [2]string{"a", "b"}
	for _, k := range keys {
		envseal("keystore", "create-key", k)
	}
	envseal("encrypt", "-k", "local:a", "f")
	sealed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2024, 2, 29, 12, 34, 56, 123456789, time.UTC)
	if err := os.Chtimes(file, made, made); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	envseal("rewrap", "--preserve-mtime", "--to", "local:b", "f.sealed")
	usual := time.Since(start)

	killed, left, recovered := 0, 0, 0
	// On a busy machine many a run ends before its kill: go on until enough did not.
	runs := 0
	for i := 0; i < 100 || i < 1000 && (killed < 50 || left == 0); i++ {
		runs++
		c := command("rewrap", "-q", "--preserve-mtime", "--to", "local:"+keys[i%2], "f.sealed")
		var stderr bytes.Buffer
		c.Stderr = &stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waitToKill(i, usual, journal)
		_ = c.Process.Kill()
		if err := c.Wait(); err != nil {
			killed++
		}
		if stderr.Len() > 0 {
			t.Fatalf("rewrap says %s", &stderr)
		}
		if _, err := os.Lstat(journal); err == nil {
			left++
		}
		if strings.Contains(envseal("verify", "f.sealed"), "interrupted") {
			recovered++
		}
	}
	envseal("rewrap", "--preserve-mtime", "--to", "local:a", "f.sealed")
	t.Logf("%d of %d killed, %d left a journal, %d a torn header; the file opened every time", killed, runs, left, recovered)
	if killed < 50 || left == 0 {
		t.Errorf("%d of %d killed, %d left a journal: the test tests less than it says", killed, runs, left)
	}
	if _, err := os.Lstat(journal); err == nil {
		t.Error("the last rewrap left a journal")
	}
	if info, err := os.Stat(file); err != nil || !info.ModTime().Equal(made) {
		t.Errorf("the modification time is %v, %v, and was to be kept through all kills", info.ModTime(), err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if header := 768; !bytes.Equal(got[header:], sealed[header:]) {
		t.Error("the payload changed")
	}
}

// waitToKill waits for a random part of the usual time, or every second time until the journal is there.
func waitToKill(i int, usual time.Duration, journal string) {
	if i%2 == 0 {
		time.Sleep(rand.N(usual))
		return
	}
	for end := time.Now().Add(10 * usual); time.Now().Before(end); time.Sleep(20 * time.Microsecond) {
		if _, err := os.Lstat(journal); err == nil {
			time.Sleep(rand.N(4 * time.Millisecond))
			return
		}
	}
}
