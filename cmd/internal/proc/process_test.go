package proc

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// A process that is done goes its way unless a signal came first, whose exit code is the one then.
func TestLeave(t *testing.T) {
	done := &process{}
	done.leave()
	go done.interrupt(syscall.SIGTERM, nil) // would end this process
	time.Sleep(50 * time.Millisecond)
	if done.isDying() {
		t.Error("a signal after the end began to clean up")
	}
	signalled := make(chan os.Signal, 1)
	signalled <- syscall.SIGTERM
	for name, p := range map[string]*process{"a signal has come": {deadly: signalled},
		"a signal is ending it": {dying: true}} {
		left := make(chan struct{})
		go func() { p.leave(); close(left) }()
		select {
		case <-left:
			t.Errorf("%s, and the process leaves by itself", name)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
