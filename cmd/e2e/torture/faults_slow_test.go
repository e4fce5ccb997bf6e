//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	chunkSize   = 64 << 10
	sealedChunk = chunkSize + 16
	headerSize  = 768
)

// drip feeds a program bit by bit, and sees what comes out meanwhile.
type drip struct {
	in    io.WriteCloser
	cmd   *exec.Cmd
	got   atomic.Int64
	ended chan struct{}
}

func newDrip(t *testing.T, args ...string) *drip {
	c := command(homeDir, args...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	d := &drip{in: in, cmd: c, ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		for buf := make([]byte, 1<<16); ; {
			n, err := out.Read(buf)
			d.got.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	return d
}

// wait gives the program 5 seconds to give out want bytes, with nothing more to read, and tells how
// many there are.
func (d *drip) wait(want int64) int64 {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && d.got.Load() < want; {
		time.Sleep(time.Millisecond)
	}
	return d.got.Load()
}

// TestTortureSlowProducer feeds encrypt and decrypt in pieces: encrypt holds back one chunk at the
// most, decrypt none that is there whole.
func TestTortureSlowProducer(t *testing.T) {
	plain := randomBytes(12*chunkSize + 500)
	sealed := seal(t, plain)
	for _, side := range []struct {
		what, fault string
		args        []string
		data        []byte
		due         func(fed int64) int64 // what must be out once so much is in
	}{
		{"encrypt", "slow producer, encrypt holds back more than a chunk",
			[]string{"encrypt", "-q", "-k", "local:a"}, plain, func(fed int64) int64 {
				return headerSize + max(fed-1, 0)/chunkSize*sealedChunk
			}},
		{"decrypt", "slow producer, decrypt holds back a chunk", []string{"decrypt", "-q"}, sealed,
			func(fed int64) int64 {
				return max(fed-headerSize, 0) / sealedChunk * chunkSize
			}},
	} {
		a := count(t, "19", side.fault, ours)
		for _, jobs := range []string{"1", "2", "4"} {
			for _, step := range []int64{1000, chunkSize / 2, chunkSize, sealedChunk,
				3*chunkSize + 7}[trials(0, 2):] {
				d := newDrip(t, with(side.args, "-j", jobs)...)
				for fed := int64(0); fed+step < int64(len(side.data)); {
					if _, err := d.in.Write(side.data[fed : fed+step]); err != nil {
						t.Fatal(err)
					}
					fed += step
					var problems []string
					if due := side.due(fed); d.wait(due) < due {
						problems = append(problems,
							fmt.Sprintf("%d bytes in, %d out, and not %d", fed, d.got.Load(), due))
					}
					a.trial(fmt.Sprintf("%s -j %s, %d bytes at a time", side.what, jobs, step), problems...)
				}
				d.in.Close()
				<-d.ended
				_ = d.cmd.Wait()
			}
		}
	}
}

// TestTortureSlowConsumer stops reading in the middle: memory stays as it is, and the rest comes
// when somebody wants it.
func TestTortureSlowConsumer(t *testing.T) {
	size := int64(trials(300, 60)) << 20
	sealed := filepath.Join(t.TempDir(), "large.sealed")
	c := command(homeDir, "encrypt", "-q", "--no-sync", "-k", "local:a", "-o", sealed)
	c.Stdin = io.LimitReader(endless{}, size)
	if r := run(c); r.code != 0 {
		t.Fatal(r.stderr)
	}
	a := count(t, "20", fmt.Sprintf("consumer stalls for %v", stall()), ours)
	var wg sync.WaitGroup
	var most atomic.Int64
	for _, args := range [][]string{
		{"encrypt", "-q", "-k", "local:a"}, {"encrypt", "-q", "-k", "local:a", "-j", "4"},
		{"encrypt", "-q", "-k", "local:a", "-a"},
		{"decrypt", "-q", "-o", "-", sealed}, {"decrypt", "-q", "-j", "4", "-o", "-", sealed},
	} {
		wg.Go(func() {
			grown, problems := stalled(size, args)
			for old := most.Load(); grown > old && !most.CompareAndSwap(old, grown); old = most.Load() {
			}
			a.trial(strings.Join(args, " "), problems...)
		})
	}
	wg.Wait()
	a.note("RSS grew by %d KiB at the most", most.Load())
}

func stall() time.Duration { return time.Duration(trials(60, 5)) * time.Second }

// endless is data without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	copy(b, strings.Repeat("some of the endless data ", len(b)/25+1))
	return len(b), nil
}

// stalled runs a command whose output is read for 1 MiB, then not for a while, and then to its end.
// It tells by how many KiB the program grew meanwhile.
func stalled(size int64, args []string) (grown int64, problems []string) {
	c := command(homeDir, args...)
	if args[0] == "encrypt" {
		c.Stdin = io.LimitReader(endless{}, size)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, []string{err.Error()}
	}
	if err := c.Start(); err != nil {
		return 0, []string{err.Error()}
	}
	n, _ := io.CopyN(io.Discard, out, 1<<20)
	time.Sleep(time.Second)
	before, peak := rss(c.Process.Pid), int64(0)
	for end := time.Now().Add(stall()); time.Now().Before(end); time.Sleep(time.Second) {
		peak = max(peak, rss(c.Process.Pid))
	}
	sum := sha256.New()
	rest, _ := io.Copy(sum, out)
	if err := c.Wait(); err != nil || n+rest < size {
		problems = append(problems, fmt.Sprintf("%d bytes came out, %v", n+rest, err))
	}
	if before == 0 || peak-before > 2<<10 {
		problems = append(problems, fmt.Sprintf("RSS went from %d to %d KiB", before, peak))
	}
	return peak - before, problems
}

// rss is a process's resident memory in KiB.
func rss(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte("VmRSS:"))
	fields := strings.Fields(string(rest))
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n
}
