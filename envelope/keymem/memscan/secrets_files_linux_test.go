//go:build secrets

package memscan_test

import (
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"golang.org/x/sys/unix"
)

// largeFile takes the program long enough to be met at work several times; it has no blocks.
const largeFile = 256 << 20

// TestSecretsInMemoryOfFiles searches the program while it works from file to file, on the path
// that goes around the system's cache.
func TestSecretsInMemoryOfFiles(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	r := newRig(t)
	plain := filepath.Join(r.dir, "large")
	must(t, os.WriteFile(plain, nil, 0o600))
	must(t, os.Truncate(plain, largeFile))
	w := r.byKMS()
	for _, decrypt := range []bool{false, true} {
		p := plan{way: w, decrypt: decrypt}
		input, sealed := plain, (*format.Header)(nil)
		if decrypt {
			input = plain + ".sealed"
			sealed = sealLarge(t, w.key(t), plain, input)
		}
		found := newFindings()
		trials := max(2, runs(t)/10)
		for range trials {
			r.searchFile(t, p, input, sealed, found)
		}
		found.check(t)
		report("key bytes in memory, file to file, "+p.direction(), "envseal", trials,
			found.copies(), found.remark())
	}
}

func sealLarge(t *testing.T, key *envelope.DataKey, from, to string) *format.Header {
	t.Helper()
	defer key.Destroy()
	src, err := os.Open(from)
	must(t, err)
	defer src.Close()
	dst, err := os.Create(to)
	must(t, err)
	defer dst.Close()
	h, err := envelope.Seal(t.Context(), dst, src, key, envelope.SealOptions{})
	must(t, err)
	return h
}

// searchFile runs the program once. header is that of the input, nil for encrypt.
func (r *rig) searchFile(t *testing.T, p plan, input string,
	header *format.Header, found *findings) {
	t.Helper()
	v := &victim{t: t, rig: r, plan: p, found: found, file: filepath.Join(t.TempDir(), "out")}
	args := []string{p.direction(), "-o", v.file, input}
	if !p.decrypt {
		args = append(args, p.way.seal...)
	}
	v.cmd = exec.Command(program, args...)
	v.cmd.Env, v.cmd.Dir, v.cmd.Stderr = p.way.env, r.dir, &v.said
	must(t, v.cmd.Start())
	defer os.Remove(v.file)
	if header == nil {
		header = v.headerOfTemp()
	} else {
		v.temp(func(f *os.File) bool {
			info, err := f.Stat()
			return err == nil && info.Size() > 0
		})
	}
	v.learn(header)
	for range 3 {
		time.Sleep(mathrand.N(8 * time.Millisecond))
		v.freeze(stageFile).thaw()
	}
	frozen, err := freeze(v.cmd.Process.Pid)
	must(t, err)
	call, err := frozen.until(unix.SYS_EXIT_GROUP)
	must(t, err)
	if call < 0 {
		t.Fatalf("it ended without exit_group: %s", v.said.String())
	}
	v.search(stageExit, frozen)
	frozen.thaw()
	if err := v.cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, v.said.String())
	}
}

// headerOfTemp reads the header in the file that the victim writes.
func (v *victim) headerOfTemp() (h *format.Header) {
	v.t.Helper()
	v.temp(func(f *os.File) (ok bool) {
		var err error
		h, err = format.ReadHeader(f, format.Limits{})
		return err == nil
	})
	return h
}

// temp waits for the file that the victim writes, which has no name yet, to be as ready wants it.
func (v *victim) temp(ready func(f *os.File) bool) {
	v.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(
		deadline); time.Sleep(200 * time.Microsecond) {
		names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", v.cmd.Process.Pid))
		for _, name := range names {
			target, err := os.Readlink(name)
			if err != nil || !strings.HasPrefix(target, filepath.Dir(v.file)+"/") {
				continue
			}
			f, err := os.Open(name)
			if err != nil {
				continue
			}
			ok := ready(f)
			f.Close()
			if ok {
				return
			}
		}
	}
	v.t.Fatalf("no output is written: %s", v.said.String())
}
