package ui

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// stoppable lets Ctrl-Z stop the process while the terminal is in a state of its own: leave is
// called before the process stops, and enter when it goes on. The returned function ends that, and
// waits for the one that runs. Without a shell that has job control, which could have the process
// go on, nothing happens.
func stoppable(leave, enter func()) (end func()) {
	if signal.Ignored(syscall.SIGTSTP) || InGroupOfSession() {
		return func() {}
	}
	stop, goOn, over := make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(stop, syscall.SIGTSTP)
	var done sync.WaitGroup
	done.Go(func() {
		defer signal.Stop(stop)
		for {
			select {
			case <-over:
				return
			case <-stop:
			}
			leave()
			signal.Notify(goOn, syscall.SIGCONT)
			_ = unix.Kill(unix.Getpid(), syscall.SIGSTOP) // SIGTSTP would not: Go keeps its handler
			<-goOn
			signal.Stop(goOn)
			enter()
		}
	})
	return func() {
		close(over)
		done.Wait()
	}
}

// InGroupOfSession tells whether the process is in the group of the leader of its session, which
// has no shell above it.
func InGroupOfSession() bool {
	session, err := unix.Getsid(0)
	return err != nil || session == unix.Getpgrp()
}
