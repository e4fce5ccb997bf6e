//go:build torture

package kmstorture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Of the calls 5 % go wrong: in ways that pass, or half of them in ways that fail the file.
const (
	passing = "*=throttle:1%,*=internal:1%,*=timeout:0.5%,*=503:0.5%,*=reset:1%,*=cut:0.5%,*=delay:0.3%:300ms,*=hang:0.02%,*=trickle:0.02%:1ms"
	lasting = "*=throttle:1%,*=internal:1%,*=reset:0.5%,*=empty:0.5%,*=otherkey:0.5%,*=html:0.5%,*=cutjson:0.5%,*=disabled:0.5%,Decrypt=wrongkey:0.5%"
)

// TestTortureKMSTree seals and opens a tree with a key service of which every twentieth call goes
// wrong. No file may be lost: each is there and right, or is on the list of those that failed, and
// further runs with --update bring it.
func TestTortureKMSTree(t *testing.T) {
	t.Parallel()
	files := 500
	if full {
		files = 10_000
	}
	count := newTally(t)
	inParallel([]forest{
		{"5 % random faults that pass", passing, "5", files, false},
		{"5 % random faults that pass, one attempt a call", passing, "1", max(500, files/5), false},
		{"5 % random faults, half of them answers that cannot be used",
			lasting, "5", max(500, files/5), true},
	}, func(x forest) {
		seed := rand.Uint64()
		w := &woods{files: x.files, faults: fmt.Sprintf("%s,seed=%d", x.faults, seed),
			attempts: x.attempts}
		err := w.walk()
		if err == nil && x.failing && w.failed == 0 {
			err = errors.New("no file failed, so that none had to be brought by another run")
		}
		if err != nil {
			t.Errorf("%s, seed %d: %v", x.fault, seed, err)
		}
		bad := 0
		if err != nil {
			bad = max(1, w.lost)
		}
		count.add("envseal", x.fault, 2*x.files, bad, fmt.Sprintf(
			"%d files sealed and opened, %d faults, %d times a file failed and was listed, %d runs, %d lost",
			x.files, w.hits, w.failed, w.runs, w.lost))
	})
}

// forest is a tree and the service that it meets.
type forest struct {
	fault, faults, attempts string
	files                   int
	failing                 bool // some files must fail at first
}

// woods is a tree on its way there and back.
type woods struct {
	files    int
	faults   string
	attempts string

	dir                      string
	hits, failed, runs, lost int
}

func (w *woods) walk() error {
	var err error
	if w.dir, err = workplace(); err != nil {
		return err
	}
	defer os.RemoveAll(w.dir)
	plain, err := w.plant()
	if err != nil {
		return err
	}
	if err := w.through("encrypt", "-k", fixture.keys[0], "-O", "sealed", "plain"); err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	if err := w.through("decrypt", "-O", "opened", "sealed"); err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	opened, err := listing(filepath.Join(w.dir, "opened"))
	if err != nil {
		return err
	}
	for name, sum := range plain {
		if opened[name] != sum {
			w.lost++
		}
	}
	if w.lost > 0 || len(opened) != len(plain) {
		return fmt.Errorf("%d of %d files are lost, %d came out", w.lost, len(plain), len(opened))
	}
	return nil
}

// plant makes the files: small, and a hundred a folder.
func (w *woods) plant() (map[string]string, error) {
	for i := range w.files {
		dir := filepath.Join(w.dir, "plain", fmt.Sprintf("d%d", i/100))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		b := bytes.Repeat([]byte{byte(i)}, rand.IntN(3000))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d", i)), b, 0o600); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{"sealed", "opened"} {
		if err := os.Mkdir(filepath.Join(w.dir, dir), 0o700); err != nil {
			return nil, err
		}
	}
	return listing(filepath.Join(w.dir, "plain"))
}

// through runs a command over the tree until every file is through. A run of encrypt stops where no
// data key is to be had, as all files need the same keys, and leaves the others to the next run.
func (w *woods) through(args ...string) error {
	s, err := serve(w.faults)
	if err != nil {
		return err
	}
	defer s.end()
	there := map[string]bool{}
	for range w.files/4 + 10 {
		if err := w.once(s, there, args); err != nil {
			return err
		}
		if len(there) == w.files {
			return w.tell(s)
		}
	}
	return fmt.Errorf("after %d runs %d of %d files are there", w.runs, len(there), w.files)
}

// once is one run. there are the files that this run and earlier ones brought.
func (w *woods) once(s *service, there map[string]bool, args []string) error {
	w.runs++
	log := filepath.Join(w.dir, fmt.Sprintf("log.%d", w.runs))
	more := []string{"-R", "--update", "-q", "-j", "16", "--no-sync", "--max-attempts",
		w.attempts, "--log-json", log}
	o := run(w.dir, environment(s.env...), 8*time.Minute,
		slices.Concat([]string{program}, args[:1], more, args[1:])...)
	failed, err := readLog(log, there)
	if err != nil {
		return err
	}
	w.failed += len(failed)
	outputs, err := listing(filepath.Join(w.dir, args[slices.Index(args, "-O")+1]))
	if err != nil {
		return err
	}
	complain := func(format string, a ...any) error {
		return fmt.Errorf("run %d: %s\n%.2000s", w.runs, fmt.Sprintf(format, a...), o.stderr)
	}
	all := len(there) == w.files
	switch {
	case all != (o.code == 0) || !slices.Contains([]int{0, 3, 4, 5, 6}, o.code):
		return complain("exit code %d, %d of %d files are there", o.code, len(there), w.files)
	case !all && len(failed) == 0:
		return complain("%d of %d files are there, and none is listed as failed", len(there), w.files)
	case args[0] == "decrypt" && len(there)+len(failed) != w.files:
		return complain("%d files are there and %d listed as failed, of %d",
			len(there), len(failed), w.files)
	case len(outputs) != len(there):
		return complain("%d outputs, the logs tell %d", len(outputs), len(there))
	case o.rss > mostMemory:
		return complain("%d MiB of memory", o.rss>>20)
	}
	return nil
}

// readLog adds the files that a run brought to there, and lists those that failed.
func readLog(log string, there map[string]bool) (failed map[string]bool, err error) {
	b, err := os.ReadFile(log)
	if err != nil {
		return nil, err
	}
	failed = map[string]bool{}
	for line := range bytes.Lines(b) {
		var entry struct{ Input, Error string }
		if err := json.Unmarshal(line, &entry); err != nil {
			return nil, fmt.Errorf("%s: %w", log, err)
		}
		switch {
		case entry.Error != "":
			failed[entry.Input] = true
		case there[entry.Input]:
			return nil, fmt.Errorf("%s was done twice", entry.Input)
		default:
			there[entry.Input] = true
		}
	}
	return failed, nil
}

// tell counts the faults that the server did.
func (w *woods) tell(s *service) error {
	calls, err := s.calls(0)
	for _, call := range calls {
		if call.Fault != "" {
			w.hits++
		}
	}
	return err
}
