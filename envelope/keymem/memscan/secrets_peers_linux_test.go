//go:build secrets

package memscan_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/envseal/envseal/envelope/keymem/memscan"
)

// learning is an age identity that remembers the file key.
type learning struct {
	*age.X25519Identity
	fileKey []byte
}

func (l *learning) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := l.X25519Identity.Unwrap(stanzas)
	l.fileKey = bytes.Clone(key)
	return key, err
}

// learn gives the keys of an age file from its beginning: the file key, and the key of its payload
// (age specification, "Payload").
func (l *learning) learn(t *testing.T, begin []byte) []memscan.Pattern {
	t.Helper()
	_, err := age.Decrypt(bytes.NewReader(begin), l)
	must(t, err)
	_, mac, _ := bytes.Cut(begin, []byte("\n--- "))
	_, nonce, _ := bytes.Cut(mac, []byte("\n"))
	payload, err := hkdf.Key(sha256.New, l.fileKey, nonce[:16], "payload", 32)
	must(t, err)
	return append(memscan.KeyPatterns("file key", l.fileKey),
		memscan.KeyPatterns("payload key", payload)...)
}

// TestSecretsOfPeers searches age for its keys, in the same way and at the same points. It never
// promised that there are none.
func TestSecretsOfPeers(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	name, err := exec.LookPath("age")
	if err != nil {
		t.Fatal("age is not installed: there is nothing to compare with")
	}
	version, err := exec.Command(name, "--version").Output()
	must(t, err)
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	file := filepath.Join(t.TempDir(), "identity")
	must(t, os.WriteFile(file, []byte(identity.String()+"\n"), 0o600))
	l := &learning{X25519Identity: identity}
	for direction, args := range map[string][]string{"encrypt": {"-r", identity.Recipient().String()},
		"decrypt": {"-d", "-i", file}} {
		violations, copies, trials := 0, 0, max(2, runs(t)/5)
		for range trials {
			hits := searchAge(t, l, direction == "decrypt", name, args)
			copies += len(hits)
			if len(hits) > 0 {
				violations++
			}
		}
		report("key bytes in memory, keys in files, "+direction,
			"age "+strings.TrimSpace(string(version)), trials, violations, fmt.Sprintf(
				"in the middle of the stream, waiting for data: %d copies in all; not promised", copies))
	}
}

// searchAge holds age in the middle of a stream.
func searchAge(t *testing.T, l *learning, decrypt bool, name string, args []string) []memscan.Hit {
	t.Helper()
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var sealed bytes.Buffer
	data := bytes.Repeat([]byte("plain"), 100_000)
	if decrypt {
		w, err := age.Encrypt(&sealed, l.Recipient())
		must(t, err)
		_, err = w.Write(data)
		must(t, err)
		data = sealed.Bytes()
	}
	// the pipe stays open; it takes less than what age reads ahead
	go func() { _, _ = in.Write(data) }()
	begin := make([]byte, 300_000)
	_, err = io.ReadFull(out, begin)
	must(t, err)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if decrypt {
		begin = data
	}
	patterns := l.learn(t, begin)
	time.Sleep(5 * time.Millisecond)
	p, err := freeze(cmd.Process.Pid)
	must(t, err)
	defer p.thaw()
	hits, err := memscan.Scan(cmd.Process.Pid, patterns)
	must(t, err)
	return hits
}
