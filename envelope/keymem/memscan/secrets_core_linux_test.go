//go:build secrets

package memscan_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope/keymem/memscan"
	"golang.org/x/sys/unix"
)

// dump is a way to get a core dump of a process.
type dump struct {
	name  string
	share int  // one in so many runs
	allow bool // with --allow-core-dumps
	none  bool // there must be none
	take  func(t *testing.T, v *victim) (core string)
}

var dumps = []dump{
	{"core dump by the kernel", 10, false, true, faultCore},
	{"core dump by the kernel, --allow-core-dumps", 10, true, false, faultCore},
	{"core dump by gcore as root", 25, false, false, gcore},
	{"core dump by gcore as root, --allow-core-dumps", 25, true, false, gcore},
}

// faultCore makes the victim fault where nobody can handle it, so that the kernel dumps core. It
// returns the name of the core file, or nothing where there is none.
func faultCore(t *testing.T, v *victim) string {
	t.Helper()
	p, err := freeze(v.cmd.Process.Pid)
	must(t, err)
	must(t, p.fault())
	return kernelCore(t, v, unix.SIGSEGV)
}

// crashCore has Go's runtime dump core, as GOTRACEBACK=crash makes it, all stacks on standard error
// first.
func crashCore(t *testing.T, v *victim) string {
	t.Helper()
	must(t, v.cmd.Process.Signal(unix.SIGABRT))
	return kernelCore(t, v, unix.SIGABRT)
}

// kernelCore waits for the end by a signal.
func kernelCore(t *testing.T, v *victim, want unix.Signal) string {
	t.Helper()
	<-v.silent
	_ = v.cmd.Wait()
	if status, ok := v.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != want {
		t.Fatalf("%v did not end it: %v: %s", want, v.cmd.ProcessState, v.said.String())
	}
	files, err := filepath.Glob(filepath.Join(v.cmd.Dir, "core*"))
	must(t, err)
	if len(files) == 0 {
		return ""
	}
	return files[0]
}

// gcore has gdb dump the core of the running victim.
func gcore(t *testing.T, v *victim) string {
	t.Helper()
	name := filepath.Join(v.cmd.Dir, "gcore")
	out, err := exec.Command("gcore", "-o", name, fmt.Sprint(v.cmd.Process.Pid)).CombinedOutput()
	if err != nil {
		t.Fatalf("gcore: %v\n%s", err, out)
	}
	must(t, v.cmd.Process.Kill())
	<-v.silent
	_ = v.cmd.Wait()
	return fmt.Sprintf("%s.%d", name, v.cmd.Process.Pid)
}

func needCores(t *testing.T) {
	t.Helper()
	needTools(t, "gcore", "sh")
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	must(t, err)
	text := strings.TrimSpace(string(pattern))
	if !strings.HasPrefix(text, "core") || strings.Contains(text, "/") {
		t.Fatalf("/proc/sys/kernel/core_pattern is %q: this test needs core, so that dumps are written to the working directory", text)
	}
}

// TestSecretsInCoreDumps dumps the core of the real program while it holds keys. What was dumped,
// plaintext at least, is of no use for getting at a key.
func TestSecretsInCoreDumps(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	needCores(t)
	r := newRig(t)
	for n, d := range dumps {
		r.dumpCores(t, d, n, max(1, runs(t)/d.share))
	}
}

// TestSecretsInCrash does the same with the dump of Go's runtime, which takes its time to show all
// stacks before.
func TestSecretsInCrash(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	needCores(t)
	newRig(t).dumpCores(t, dump{"core dump and stack trace by GOTRACEBACK=crash, --allow-core-dumps",
		1, true, false, crashCore}, 1, 1)
}

func (r *rig) dumpCores(t *testing.T, d dump, first, trials int) {
	t.Helper()
	violations := 0
	for i := range trials {
		ways := []way{r.byKeystore(), r.byKMS()}
		p := plan{way: ways[(first+i/2)%len(ways)], decrypt: (first+i)%2 == 1}
		if d.allow {
			p.args = append(p.args, "--allow-core-dumps")
		}
		hits, marker := r.dumpCore(t, d, p)
		if len(hits) > 0 {
			violations++
			t.Errorf("%s, %s, %s: %d pieces of keys\n%s",
				d.name, p.way.name, p.direction(), len(hits), memscan.Summary(hits))
		}
		if marker == d.none {
			t.Errorf("%s, %s, %s: the dump holds the plaintext: %v",
				d.name, p.way.name, p.direction(), marker)
		}
	}
	remark := "searched; it holds plaintext, as it may"
	if d.none {
		remark = "none is written"
	}
	report("key bytes in a "+d.name, "envseal", trials, violations, remark)
}

// dumpCore runs one victim and searches its dump, and what it said meanwhile. marker tells whether
// the dump has the plaintext that is in the buffers.
func (r *rig) dumpCore(t *testing.T, d dump, p plan) (hits []memscan.Hit, marker bool) {
	t.Helper()
	// gcore writes all that Go has reserved, more than a GiB
	dir, err := os.MkdirTemp("/dev/shm", "envseal-dump-")
	must(t, err)
	defer os.RemoveAll(dir)
	p.dumps = dir
	// or Go's runtime ends without a dump
	p.way.env = append(slices.Clone(p.way.env), "GOTRACEBACK=crash")
	v := r.start(t, p, newFindings())
	v.idle()
	v.tap.open(true)
	time.Sleep(10 * time.Millisecond)
	v.tap.open(false)
	v.idle()
	var core []byte
	if name := d.take(t, v); name != "" {
		core, err = contents(name)
		must(t, err)
	}
	hits, err = memscan.Search(core, v.patterns)
	must(t, err)
	said, err := memscan.Search(v.said.Bytes(), v.patterns)
	must(t, err)
	return append(hits, said...), bytes.Contains(core, v.marker)
}

// contents reads a file but for its blocks of zeros: in a dump they stand for all memory that was
// never used.
func contents(name string) (all []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	block, zeros := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		n, err := io.ReadFull(f, block)
		if !bytes.Equal(block[:n], zeros[:n]) {
			all = append(all, block[:n]...)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// TestSecretsCoreDumpsFind shows that both kinds of dump would hold a key.
func TestSecretsCoreDumpsFind(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	needCores(t)
	r := newRig(t)
	for how, d := range map[string]dump{"schedule": dumps[0], "raw": dumps[2]} {
		if hits, marker := r.dumpCore(t, d, r.carelessPlan(how)); len(hits) == 0 || !marker {
			t.Errorf("%s: of a key that was left (%s) nothing is found, plaintext: %v", d.name, how, marker)
		}
	}
}
