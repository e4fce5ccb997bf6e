package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// TestRewrapKilled kills `envseal rewrap` 100 times, at random and in the moment in which the
// header is overwritten, and opens the file after each. In the end it has the modification time
// that all of them were to keep. What a power cut would do in addition is simulated in package
// inplace.
func TestRewrapKilled(t *testing.T) {
	r := newRig(t)
	file, journal := r.path("f.sealed"), r.path(".envseal-f.sealed.journal")
	r.write("f", randomBytes(100_000))
	r.must("keystore", "init", "--plaintext-insecure")
	keys := [2]string{"a", "b"}
	for _, k := range keys {
		r.must("keystore", "create-key", k)
	}
	r.must("encrypt", "-k", "local:a", "f")
	sealed := r.read("f.sealed")
	made := time.Date(2024, 2, 29, 12, 34, 56, 123456789, time.UTC)
	if err := os.Chtimes(file, made, made); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r.must("rewrap", "--preserve-mtime", "--to", "local:b", "f.sealed")
	usual := time.Since(start)

	killed, left, recovered := 0, 0, 0
	// On a busy machine many a run ends before its kill: go on until enough did not.
	runs := 0
	for i := 0; i < 100 || i < 1000 && (killed < 50 || left == 0); i++ {
		runs++
		if r.killRewrap("local:"+keys[i%2], func() { waitToKill(i, usual, journal) }) {
			killed++
		}
		if _, err := os.Lstat(journal); err == nil {
			left++
		}
		if strings.Contains(r.must("verify", "f.sealed"), "interrupted") {
			recovered++
		}
	}
	r.must("rewrap", "--preserve-mtime", "--to", "local:a", "f.sealed")
	t.Logf("%d of %d killed, %d left a journal, %d a torn header; the file opened every time",
		killed, runs, left, recovered)
	if killed < 50 || left == 0 {
		t.Errorf("%d of %d killed, %d left a journal: the test tests less than it says",
			killed, runs, left)
	}
	if _, err := os.Lstat(journal); err == nil {
		t.Error("the last rewrap left a journal")
	}
	if info, err := os.Stat(file); err != nil || !info.ModTime().Equal(made) {
		t.Errorf("the modification time is %v, %v, and was to be kept through all kills",
			info.ModTime(), err)
	}
	if header, got := 768, r.read("f.sealed"); !bytes.Equal(got[header:], sealed[header:]) {
		t.Error("the payload changed")
	}
}

// killRewrap starts to rewrap f.sealed to this key and kills that after wait. It says whether the
// kill came in time.
func (r *rig) killRewrap(to string, wait func()) (killed bool) {
	r.Helper()
	c, stderr := r.command("rewrap", "-q", "--preserve-mtime", "--to", to, "f.sealed")
	if err := c.Start(); err != nil {
		r.Fatal(err)
	}
	wait()
	_ = c.Process.Kill()
	err := c.Wait()
	if stderr.Len() > 0 {
		r.Fatalf("rewrap says %s", stderr)
	}
	return err != nil
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
