package testkit

import (
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Whoever runs the tests may ignore SIGHUP or SIGINT (nohup, a job in the background), and children inherit that. What is notified here is back at its default
// in a child, as the tests of signals need it. The child itself must leave its signals alone.
func init() {
	for _, arg := range os.Args {
		if strings.HasPrefix(arg, "-test.run=^Test") && strings.HasSuffix(arg, "Process$") {
			return
		}
	}
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}
