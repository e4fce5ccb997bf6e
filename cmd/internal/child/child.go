// Package child runs the commands of --from-command and --to-command. None outlives envseal, and
// none sees the end of its input unless all of it was authentic. Start with Open, which makes a
// command an input, and Consumer, to which opened data goes.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
)

const (
	endGrace = time.Second // from SIGTERM to SIGKILL
	// from SIGKILL to giving up; both together are less than proc.cleanUpLimit
	killGrace = 300 * time.Millisecond
)

// child is a running command: a process group of its own, so that all of a pipeline can be ended,
// and nothing besides.
type child struct {
	line   *Line
	pid    int           // of the command and of its group
	done   chan struct{} // closed when the command has ended and been waited for
	status syscall.WaitStatus
	forget func() // a signal that ends envseal no longer has to do with it
}

// startCommand starts cmd. Its end, and that of what it started, comes at the latest with that of
// envseal, unless envseal is killed.
func startCommand(line *Line, cmd *exec.Cmd) (*child, error) {
	c := &child{line: line, done: make(chan struct{})}
	cmd.SysProcAttr = proc.GroupAttributes()
	err := proc.StartGroup(func() (int, error) {
		started := make(chan error)
		go func() {
			// To the end of the goroutine: the command is signalled when the thread that started it ends.
			runtime.LockOSThread()
			err := cmd.Start()
			if err == nil {
				c.pid = cmd.Process.Pid
			}
			started <- err
			if err == nil {
				c.await()
				_ = cmd.Process.Release()
				close(c.done)
			}
		}()
		err := <-started
		return c.pid, err
	})
	if err != nil {
		return nil, err
	}
	noHook := proc.AtExit(c.end)
	c.forget = func() { noHook(); proc.GroupEnded(c.pid) }
	return c, nil
}

// await waits for the end of the command. One that is stopped because it wants the terminal gets
// it, if envseal has it.
func (c *child) await() {
	var tty *borrowed
	defer func() { tty.giveBack() }()
	for {
		var status syscall.WaitStatus
		err := file.Retry(func() error {
			_, err := syscall.Wait4(c.pid, &status, syscall.WUNTRACED, nil)
			return err
		})
		switch {
		case err != nil:
			c.status = 0xff00 // exit code 255: nothing is known of it, so it has failed
			return
		case !status.Stopped():
			c.status = status
			return
		case status.StopSignal() == syscall.SIGTTIN || status.StopSignal() == syscall.SIGTTOU:
			if tty = lendTerminal(c.pid); tty == nil {
				ui.Warn("%s: the command wants the terminal, and envseal does not have it", c.line)
			}
		}
	}
}

// wait waits for the end of the command and tells whether it succeeded. While a signal ends envseal
// it does not return, as the command may have ended by that.
func (c *child) wait() error {
	<-c.done
	proc.WaitIfEnding()
	c.forget()
	if c.status == 0 {
		return nil
	}
	return &childFailure{c.line, c.status}
}

type childFailure struct {
	line   *Line
	status syscall.WaitStatus
}

func (f *childFailure) Error() string {
	return f.line.String() + ": the command failed: " + ending(f.status)
}

// end asks all processes of the group to end, and makes them after a second. When it returns they
// have ended, or a warning has said that they have not: a process of another user, such as one
// started by sudo, cannot be ended.
func (c *child) end() {
	proc.SignalGroup(c.pid, syscall.SIGTERM)
	proc.SignalGroup(c.pid, syscall.SIGCONT) // to one that is stopped, SIGTERM comes only then
	if c.gone(endGrace) {
		return
	}
	proc.SignalGroup(c.pid, syscall.SIGKILL)
	if !c.gone(killGrace) {
		ui.Warn("%s: the command could not be ended", c.line)
	}
}

// stop is end for a command whose result is of no use any more.
func (c *child) stop() {
	c.end()
	c.forget()
}

// gone waits until no process of the group is left.
func (c *child) gone(limit time.Duration) bool {
	for until := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		select {
		case <-c.done:
			if proc.IsGroupGone(c.pid) {
				return true
			}
		default:
		}
		if time.Now().After(until) {
			return false
		}
	}
}
