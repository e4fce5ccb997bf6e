//go:build torture

package kmstorture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// interruption is what happens to the server in the middle of a call.
type interruption struct {
	breakage
	signals []syscall.Signal // sent once the call is under way, each a moment after the one before
	before  bool             // the first is sent before the call
}

func interruptions() []interruption {
	gone := breakage{least: 5, most: 5, code: 6, time: retriedTime,
		words: []string{"cannot reach", "check the endpoint"}, faults: "*=delay:30s"}
	killed, ended := gone, gone
	killed.name, ended.name = "server killed during a call", "server ended during a call"
	stopped := breakage{name: "server stopped (SIGSTOP)", least: 2, most: 2, code: 6, time: silentTime,
		words: []string{"timeout while waiting for the answer"}}
	resumed := breakage{name: "server stopped for 3 s", least: 1, most: 1, time: 3*time.Second + slack}
	return []interruption{
		{killed, []syscall.Signal{syscall.SIGKILL}, false},
		{ended, []syscall.Signal{syscall.SIGTERM}, false},
		{stopped, []syscall.Signal{syscall.SIGSTOP}, true},
		{resumed, []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT}, true},
	}
}

// TestTortureKMSServerEnds kills and stops the server while it is asked.
func TestTortureKMSServerEnds(t *testing.T) {
	t.Parallel()
	count := newTally(t)
	type trial struct {
		interruption
		command
	}
	var all []trial
	for _, x := range interruptions() {
		for _, c := range networkCommands() {
			all = append(all, trial{x, c})
		}
	}
	inParallel(all, func(x trial) {
		o, err := x.interruption.try(x.command)
		if err != nil {
			t.Errorf("%s during %s: %v\n%s", x.breakage.name, x.command.name, err, o.stderr)
		}
		count.count("envseal", x.breakage.name, o, err != nil, x.says())
	})
}

func (x interruption) try(c command) (outcome, error) {
	s, err := serve(x.faults)
	if err != nil {
		return outcome{}, err
	}
	defer s.end()
	signals := x.signals
	if x.before {
		if err := syscall.Kill(s.pid, signals[0]); err != nil {
			return outcome{}, err
		}
		signals = signals[1:]
	}
	sent := make(chan error, 1)
	go func() { sent <- s.signal(signals) }()
	o, err := x.run(c, s.env)
	if e := <-sent; err == nil {
		err = e
	}
	return o, err
}

// signal waits for a connection and then sends the signals.
func (s *service) signal(signals []syscall.Signal) error {
	if len(signals) == 0 {
		return nil
	}
	if err := await("a connection", s.connected); err != nil {
		return err
	}
	for _, sig := range signals {
		wait := 300 * time.Millisecond
		if sig == syscall.SIGCONT {
			wait = 3 * time.Second
		}
		time.Sleep(wait)
		if err := syscall.Kill(s.pid, sig); err != nil {
			return fmt.Errorf("%v: %w", sig, err)
		}
	}
	return nil
}

// connected tells whether a connection to the server stands (/proc/net/tcp, proc(5)), whether it
// was accepted or not.
func (s *service) connected() bool {
	at, err := netip.ParseAddrPort(s.url[len("http://"):])
	if err != nil {
		return false
	}
	ip := at.Addr().As4()
	table, err := os.ReadFile("/proc/net/tcp")
	const established = "01"
	to := fmt.Sprintf("%08X:%04X", binary.LittleEndian.Uint32(ip[:]), at.Port())
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); err == nil && len(f) > 3 && f[2] == to && f[3] == established {
			return true
		}
	}
	return false
}
