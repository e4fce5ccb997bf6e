//go:build torture

package kmstorture

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The aws command against the same faults, for comparison. Its violations are counted and fail no
// test.
const (
	peerPatience = 150 * time.Second
	peerMemory   = 512 << 20
	peerLimit    = 8 << 20 // KiB of address space: a GiB of JSON takes some
)

// peerFaults are kinds of fault that every run tries, and those that only the full one does.
func peerFaults() []string {
	few := []string{"empty", "short", "otherkey", "html"}
	if full {
		few = append(few, "hang", "trickle:200ms", "huge", "gzip", "noplaintext", "noblob", "cutjson",
			"badbase64", "redirect", "throttle", "reset", "cut", "deny", "skewed:1h")
	}
	return few
}

// TestTortureKMSPeers has `aws kms generate-data-key` and `aws kms decrypt` meet what envseal
// meets. It runs before the others, which would take the cores that aws needs, and its time counts.
func TestTortureKMSPeers(t *testing.T) {
	out, err := exec.Command("aws", "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("the aws command is needed for comparison: %v", err)
	}
	version, _, _ := strings.Cut(string(out), " ")
	peer := "aws " + strings.TrimPrefix(version, "aws-cli/")
	a := fixture.keys[0]
	peers := []command{
		{name: "generate-data-key", op: "GenerateDataKey",
			args: []string{"aws", "kms", "generate-data-key", "--key-id", a, "--key-spec", "AES_256"}},
		{name: "decrypt", op: "Decrypt",
			args:  []string{"aws", "kms", "decrypt", "--key-id", a, "--ciphertext-blob", "fileb://blob"},
			files: []string{"blob"}, blind: []string{"short"}},
	}
	count := newTally(t)
	type trial struct {
		kind string
		command
	}
	var all []trial
	for _, kind := range peerFaults() {
		for _, c := range peers {
			if c.has(fault{kind: kind}) {
				all = append(all, trial{kind, c})
			}
		}
	}
	inParallel(all, func(x trial) {
		o, attempts, violated, err := tryPeer(x.kind, x.command)
		if err != nil {
			t.Errorf("aws kms %s, %s: %v", x.command.name, x.kind, err)
			return
		}
		end := fmt.Sprintf("exit %d", o.code)
		if o.code < 0 {
			end = fmt.Sprintf("still waiting after %v", peerPatience)
		}
		count.count(peer, "answer "+x.kind, o, violated, fmt.Sprintf("%d attempts, %s", attempts, end))
	})
}

// tryPeer runs the aws command once. It violates the table where it takes what is no answer for
// one, waits for more than a minute and a half, or fills the memory.
func tryPeer(kind string, c command) (o outcome, attempts int, violated bool, err error) {
	dir, err := workplace(c.files...)
	if err != nil {
		return o, 0, false, err
	}
	defer os.RemoveAll(dir)
	s, err := fault{kind: kind}.start(c)
	if err != nil {
		return o, 0, false, err
	}
	defer s.end()
	limited := append([]string{"sh", "-c", fmt.Sprintf(`ulimit -v %d; exec "$@"`, peerLimit), "sh"},
		c.args...)
	o = run(dir, environment(append(s.env, "AWS_PAGER=")...), peerPatience, limited...)
	calls, err := s.calls(1)
	return o, len(calls), o.code == 0 || o.took > 90*time.Second || o.rss > peerMemory, err
}
