//go:build secrets

package memscan_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keymem/memscan"
	"github.com/envseal/envseal/format"
	"golang.org/x/sys/unix"
)

// victim is a run of encrypt or decrypt that reads from a pipe, and can so be held anywhere.
type victim struct {
	t      *testing.T
	rig    *rig
	plan   plan
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader // nil: it writes to file
	file   string
	stderr *bufio.Reader
	said   bytes.Buffer
	silent chan struct{} // closed when said has all of it

	tap      *tap
	drain    *drain
	header   *format.Header
	marker   []byte
	patterns []memscan.Pattern
	found    *findings
}

// plan says how a victim is run.
type plan struct {
	way     way
	decrypt bool
	toFile  bool
	// compress makes encrypt compress, to a file: a pipe would never be full
	compress bool
	command  []string // instead of the program's, for controls
	args     []string // further ones
	as       *syscall.SysProcAttr
	dumps    string // a directory to run in, where the system may leave core dumps
}

func (p plan) direction() string {
	if p.decrypt {
		return "decrypt"
	}
	return "encrypt"
}

// start starts the victim. The calling goroutine must be locked to its thread.
func (r *rig) start(t *testing.T, p plan, found *findings) *victim {
	t.Helper()
	v := &victim{t: t, rig: r, plan: p, found: found, marker: make([]byte, 32)}
	rand.Read(v.marker)
	v.tap = newTap(v.marker)
	args := []string{program, p.direction(), "-v", "--progress", "never"}
	if !p.decrypt {
		args = append(args, p.way.seal...)
	}
	if p.compress && !p.decrypt {
		args = append(args, "-z")
	}
	if p.command != nil {
		args = p.command
	}
	args = append(args, p.args...)
	if p.dumps != "" {
		args = append([]string{"sh", "-c", `ulimit -c unlimited && exec "$@"`, "sh"}, args...)
	}
	v.cmd = exec.Command(args[0], args[1:]...)
	v.cmd.Env, v.cmd.Dir, v.cmd.SysProcAttr = p.way.env, cmp.Or(p.dumps, r.dir), p.as
	var err error
	v.in, err = v.cmd.StdinPipe()
	must(t, err)
	stderr, err := v.cmd.StderrPipe()
	must(t, err)
	v.stderr = bufio.NewReader(io.TeeReader(stderr, &v.said))
	if p.toFile {
		v.file = filepath.Join(t.TempDir(), "out")
		v.cmd.Args = append(v.cmd.Args, "-o", v.file)
	} else {
		v.out, err = v.cmd.StdoutPipe()
		must(t, err)
	}
	must(t, v.cmd.Start())
	t.Cleanup(func() { _ = v.cmd.Process.Kill() })
	if p.decrypt {
		v.feedSealed(p.way.key(t))
	} else {
		v.feedPlain()
	}
	return v
}

// feedPlain feeds an encrypt, and learns the key from the header that it writes.
func (v *victim) feedPlain() {
	go func() {
		_, _ = io.Copy(v.in, v.tap) // where it fails the victim has ended, which is seen
		v.in.Close()
	}()
	if v.out != nil {
		h, err := format.ReadHeader(v.out, format.Limits{})
		if err != nil {
			rest, _ := io.ReadAll(v.stderr)
			v.t.Fatalf("header: %v\n%s%s", err, v.said.String(), rest)
		}
		v.learn(h)
		v.drain = newDrain(v.out)
	} else {
		v.learn(v.headerOfTemp())
	}
	v.listen()
}

// listen keeps what else the victim says.
func (v *victim) listen() {
	v.silent = make(chan struct{})
	go func() {
		defer close(v.silent)
		_, _ = io.Copy(io.Discard, v.stderr)
	}()
}

// feedSealed feeds a decrypt.
func (v *victim) feedSealed(key *envelope.DataKey) {
	begun := make(chan *format.Header, 1)
	go func() {
		defer key.Destroy()
		_, _ = envelope.Seal(context.Background(), v.in, v.tap, key,
			envelope.SealOptions{Workers: 1, Begun: func(h *format.Header) { begun <- h }})
		v.in.Close()
	}()
	v.learn(<-begun)
	if v.out != nil {
		v.drain = newDrain(v.out)
	}
	for { // it says which key it was once it has it
		line, err := v.stderr.ReadString('\n')
		if err != nil {
			v.t.Fatalf("decrypt ended: %s", v.said.String())
		}
		if strings.Contains(line, "opened with") {
			break
		}
	}
	v.listen()
}

func (v *victim) learn(h *format.Header) {
	v.header = h
	v.patterns = scheduleOf(v.t, h, dataKeyOf(v.t, v.rig.store, h)).patterns()
}

// idle waits until all threads sleep: the victim waits for input or output.
func (v *victim) idle() {
	v.t.Helper()
	quiet := 0
	for deadline := time.Now().Add(20 * time.Second); quiet < 3; time.Sleep(300 * time.Microsecond) {
		if time.Now().After(deadline) {
			v.t.Fatal("the victim does not come to rest")
		}
		quiet++
		tids, err := threadsOf(v.cmd.Process.Pid)
		must(v.t, err)
		for _, tid := range tids {
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", v.cmd.Process.Pid, tid))
			if _, state, _ := bytes.Cut(stat, []byte(") ")); len(state) > 0 && state[0] != 'S' {
				quiet = 0
			}
		}
	}
}

// freeze stops the victim and searches it.
func (v *victim) freeze(stage string) *tracee {
	v.t.Helper()
	p, err := freeze(v.cmd.Process.Pid)
	must(v.t, err)
	v.search(stage, p)
	return p
}

// search looks for the keys in a frozen victim.
func (v *victim) search(stage string, p *tracee) {
	v.t.Helper()
	hits, err := memscan.Scan(v.cmd.Process.Pid, v.patterns)
	must(v.t, err)
	registers, err := p.registers()
	must(v.t, err)
	v.found.add(v.t, stage, hits, v.inRegisters(registers))
}

func (v *victim) inRegisters(registers []byte) (names []string) {
	for _, p := range v.patterns {
		if bytes.Contains(registers, p.Bytes) {
			names = append(names, p.Name)
		}
	}
	return names
}

// hold runs the victim through all stages.
func (v *victim) hold() {
	v.t.Helper()
	v.idle()
	v.freeze(stageAnswered).thaw()
	v.tap.open(true)
	for range 2 {
		time.Sleep(300*time.Microsecond + mathrand.N(12*time.Millisecond))
		v.freeze(stageFlowing).thaw()
	}
	v.tap.open(false)
	v.idle()
	p := v.freeze(stageWaiting)
	if v.drain != nil {
		p.thaw()
		v.drain.hold(true)
		v.tap.end(6 << 20)
		v.idle()
		p = v.freeze(stageFull)
		v.drain.hold(false)
	} else {
		v.tap.end(100_000)
		call, err := p.until(unix.SYS_FSYNC, unix.SYS_FDATASYNC)
		must(v.t, err)
		if call < 0 {
			v.t.Fatalf("it ended without fsync: %s", v.said.String())
		}
		v.search(stageSync, p)
	}
	v.finish(p)
}

// finish searches the victim when it is about to exit, and checks that all had been well.
func (v *victim) finish(p *tracee) {
	v.t.Helper()
	call, err := p.until(unix.SYS_EXIT_GROUP)
	must(v.t, err)
	if call < 0 {
		v.t.Fatalf("it ended without exit_group: %s", v.said.String())
	}
	v.search(stageExit, p)
	p.thaw()
	<-v.silent
	if err := v.cmd.Wait(); err != nil {
		v.t.Fatalf("%v: %s", err, v.said.String())
	}
	var came int64
	if v.drain != nil {
		came = v.drain.total()
	} else {
		info, err := os.Stat(v.file)
		must(v.t, err)
		came = info.Size()
		must(v.t, os.Remove(v.file))
	}
	if came < v.tap.total() && !v.plan.compress {
		v.t.Errorf("%d bytes went in, %d came out", v.tap.total(), came)
	}
}
