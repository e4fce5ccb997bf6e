package main

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

// killing is a sealed file f.sealed in a directory with a keystore, and what became of the runs of
// `envseal rewrap` on it.
type killing struct {
	t             *testing.T
	dir           string
	file, journal string
	usual         time.Duration // of one run

	runs, killed int
	left         int // with a journal
	recovered    int // with a torn header
}

func (k *killing) command(args ...string) *exec.Cmd {
	c := exec.Command("envseal", args...)
	c.Dir, c.Env = k.dir, append(os.Environ(), "ENVSEAL_KEYSTORE="+filepath.Join(k.dir, "keystore"))
	return c
}

func (k *killing) envseal(args ...string) string {
	k.t.Helper()
	out, err := k.command(args...).CombinedOutput()
	if err != nil {
		k.t.Fatalf("envseal %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// kill starts a rewrap, kills it, and opens the file.
func (k *killing) kill() {
	k.t.Helper()
	to := [2]string{"local:a", "local:b"}[k.runs%2]
	c := k.command("rewrap", "-q", "--preserve-mtime", "--to", to, "f.sealed")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		k.t.Fatal(err)
	}
	waitToKill(k.runs, k.usual, k.journal)
	k.runs++
	_ = c.Process.Kill()
	if err := c.Wait(); err != nil {
		k.killed++
	}
	if stderr.Len() > 0 {
		k.t.Fatalf("rewrap says %s", &stderr)
	}
	if _, err := os.Lstat(k.journal); err == nil {
		k.left++
	}
	if strings.Contains(k.envseal("verify", "f.sealed"), "interrupted") {
		k.recovered++
	}
}

// TestRewrapKilled kills `envseal rewrap` 100 times, at random and in the moment in which the
// header is overwritten, and opens the file after each. In the end it has the modification time
// that all of them were to keep. What a power cut would do in addition is simulated in package cmd.
func TestRewrapKilled(t *testing.T) {
	dir := t.TempDir()
	k := &killing{t: t, dir: dir, file: filepath.Join(dir, "f.sealed"),
		journal: filepath.Join(dir, ".envseal-f.sealed.journal")}
	if err := os.WriteFile(filepath.Join(dir, "f"), randomBytes(100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	k.envseal("keystore", "init", "--plaintext-insecure")
	k.envseal("keystore", "create-key", "a")
	k.envseal("keystore", "create-key", "b")
	k.envseal("encrypt", "-k", "local:a", "f")
	sealed, err := os.ReadFile(k.file)
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2024, 2, 29, 12, 34, 56, 123456789, time.UTC)
	if err := os.Chtimes(k.file, made, made); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	k.envseal("rewrap", "--preserve-mtime", "--to", "local:b", "f.sealed")
	k.usual = time.Since(start)

	// On a busy machine many a run ends before its kill: go on until enough did not.
	for k.runs < 100 || k.runs < 1000 && (k.killed < 50 || k.left == 0) {
		k.kill()
	}
	k.envseal("rewrap", "--preserve-mtime", "--to", "local:a", "f.sealed")
	t.Logf("%d of %d killed, %d left a journal, %d a torn header; the file opened every time",
		k.killed, k.runs, k.left, k.recovered)
	if k.killed < 50 || k.left == 0 {
		t.Errorf("%d of %d killed, %d left a journal: the test tests less than it says",
			k.killed, k.runs, k.left)
	}
	if _, err := os.Lstat(k.journal); err == nil {
		t.Error("the last rewrap left a journal")
	}
	info, err := os.Stat(k.file)
	if err != nil || !info.ModTime().Equal(made) {
		t.Errorf("the modification time is %v, %v, and was to be kept through all kills",
			info.ModTime(), err)
	}
	got, err := os.ReadFile(k.file)
	if err != nil {
		t.Fatal(err)
	}
	if header := 768; !bytes.Equal(got[header:], sealed[header:]) {
		t.Error("the payload changed")
	}
}

// waitToKill waits for a random part of the usual time, or every second time until the journal is
// there.
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
