//go:build secrets

package memscan_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope/keymem/memscan"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// session runs many commands one after the other. Each is held when it is about to exit, for its
// memory to be searched for all keys that have been at work so far; what they said and left on the
// disk is searched in the end, when all keys are known.
type session struct {
	t   *testing.T
	rig *rig
	env []string
	dir string

	said     []saying
	known    map[[32]byte]bool
	inMemory []memscan.Pattern
	inText   []memscan.Pattern
	keys     int
	left     int // commands with copies in memory
}

// plainKey is the file into which commands are told to write a key.
const plainKey = "plain.key"

// saying is what a command said.
type saying struct {
	command string
	text    []byte
	meant   bool // it was told to print a key
}

func (r *rig) session(t *testing.T, env []string) *session {
	t.Helper()
	s := &session{t: t, rig: r, env: env, dir: t.TempDir(), known: map[[32]byte]bool{}}
	s.env = append(slices.Clone(env), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	s.text("the secret access key", []byte(secretAccessKey))
	return s
}

// text has all that is said searched for a secret.
func (s *session) text(name string, secret []byte) {
	s.inText = append(s.inText, textPatterns(name, secret)...)
}

// run runs `envseal LINE` by the shell, and checks its exit code; -1 is any. A key may be on stdout
// where that is meant.
func (s *session) run(code int, meant bool, line string) {
	s.t.Helper()
	got := heldAtExit(s.t, s.dir, s.env, line, func(pid int, printed, said []byte) {
		if meant {
			s.learn("printed by "+line, keysIn(printed)...)
			if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(printed))); err == nil {
				s.learn("printed by "+line, key) // alone, by --query
			}
		}
		s.searchMemory(line, pid)
		s.said = append(s.said, saying{line, printed, meant}, saying{line, said, false})
	})
	if code >= 0 && got != code {
		s.t.Errorf("envseal %s: exit code %d, want %d\n%s", line, got, code, s.said[len(s.said)-1].text)
	}
}

// learn adds keys that were not known.
func (s *session) learn(name string, keys ...[]byte) {
	for _, key := range keys {
		sum := sha256.Sum256(key)
		if s.known[sum] {
			continue
		}
		s.known[sum] = true
		s.keys++
		numbers, rsa := privateNumbers(key)
		for _, number := range numbers {
			s.text(name, number)
		}
		if !rsa { // whose numbers are known to stay on the heap
			for _, number := range numbers {
				s.inMemory = append(s.inMemory, memscan.KeyPatterns(name, number)...)
			}
		}
	}
}

// learnAll learns what the server has seen and what the files here were sealed with.
func (s *session) learnAll() {
	s.t.Helper()
	s.learn("key sent", s.rig.sent.all()...)
	must(s.t, filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if d.Name() == plainKey {
			key, err := os.ReadFile(path)
			must(s.t, err)
			s.learn(plainKey, key)
		}
		if filepath.Ext(path) == ".pair" {
			s.learnPair(path)
		}
		h := headerIn(path)
		if h == nil || s.known[[32]byte(h.FileID)] {
			return nil
		}
		s.known[[32]byte(h.FileID)] = true
		all := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
			return s.rig.store, nil
		}}
		key, err := all.Unwrap(context.Background(), h)
		if err != nil {
			return nil // damaged on purpose
		}
		defer key.Destroy()
		keys := scheduleOf(s.t, h, slices.Clone(key.Bytes()))
		s.inMemory = append(s.inMemory, keys.patterns()...)
		s.learn("data key of "+d.Name(), keys.dataKey)
		s.learn("pseudorandom key of "+d.Name(), keys.prk)
		s.learn("payload key of "+d.Name(), keys.payload)
		return nil
	}))
}

// learnPair asks for the private key of a pair file.
func (s *session) learnPair(path string) {
	s.t.Helper()
	text, err := os.ReadFile(path)
	must(s.t, err)
	pair, err := format.ParsePairFile(text)
	must(s.t, err)
	key, err := s.rig.store.Decrypt(context.Background(), kmsclient.DecryptInput{
		CiphertextBlob: pair.PrivateKeyCiphertextBlob, EncryptionContext: pair.Context})
	must(s.t, err)
	defer key.Plaintext.Destroy()
	s.learn("private key of "+filepath.Base(path), slices.Clone(key.Plaintext.Bytes()))
}

func headerIn(path string) *format.Header {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	src, _, err := format.Unarmored(f)
	if err != nil {
		return nil
	}
	h, err := format.ReadHeader(src, format.Limits{})
	if err != nil {
		return nil
	}
	return h
}

func (s *session) searchMemory(line string, pid int) {
	s.t.Helper()
	s.learnAll()
	if len(s.inMemory) == 0 {
		return // no key has been made yet
	}
	hits, err := memscan.Scan(pid, s.inMemory)
	must(s.t, err)
	if len(hits) > 0 {
		s.left++
		s.t.Errorf("envseal %s: at its exit there are %d copies of keys\n%s",
			line, len(hits), memscan.Summary(hits[:min(len(hits), 20)]))
	}
}

// searchText searches what was said, and all files, and tells in how many of them a key was found
// that should not be. Where a key is meant to be it must be found.
func (s *session) searchText() (bytesRead, found int) {
	s.t.Helper()
	s.learnAll()
	for _, said := range s.said {
		hits, err := memscan.Search(said.text, s.inText)
		must(s.t, err)
		bytesRead += len(said.text)
		if len(hits) > 0 != said.meant {
			found++
			s.t.Errorf("envseal %s: meant to print a key: %v; found:\n%s",
				said.command, said.meant, memscan.Summary(hits))
		}
	}
	must(s.t, filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		hits, err := memscan.Search(text, s.inText)
		bytesRead += len(text)
		if len(hits) > 0 != (d.Name() == plainKey) {
			found++
			s.t.Errorf("file %s: meant to hold a key: %v; found:\n%s",
				d.Name(), len(hits) == 0, memscan.Summary(hits))
		}
		return err
	}))
	return bytesRead, found
}

// script runs lines of the form CODE[!] LINE; the ! says that a key is meant to be printed. Empty
// lines and those with a # are left out.
func (s *session) script(text string) {
	s.t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var code int
		first, rest, _ := strings.Cut(line, " ")
		if _, err := fmt.Sscan(strings.TrimSuffix(first, "!"), &code); err != nil {
			s.t.Fatalf("line %q: %v", line, err)
		}
		s.run(code, strings.HasSuffix(first, "!"), rest)
	}
}
