// Package ui is all that is said to the user: messages, the quoting of names in them, passphrases
// and progress. Whatever else wants the terminal goes through here, so that no message is written
// into a bar, and nothing from outside steers the terminal.
//
// Begin with [Note], [Shown] and [NewProgress].
package ui

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/envseal/envseal/cmd/internal/exit"
)

// Report prints err as a user should see it, and returns its exit code.
func Report(err error) int {
	if err == nil {
		return 0
	}
	code, hint := exit.Explain(err)
	var said *exit.Reported
	if !errors.As(err, &said) {
		Say(err, hint)
	}
	return code
}

// Say prints the message and the hint, each on a line of its own, and both in one piece, as files
// fail side by side.
func Say(err error, hint string) {
	defer HoldProgress()()
	text := "envseal: error: " + OneLine(err) + "\n"
	if hint != "" {
		text += "envseal: hint: " + Printable(hint) + "\n"
	}
	fmt.Fprint(os.Stderr, text)
}

// Warn prints a line that does not change the exit code.
func Warn(format string, args ...any) {
	defer HoldProgress()()
	fmt.Fprintf(os.Stderr, "envseal: warning: %s\n", Printable(fmt.Sprintf(format, args...)))
}

// Note prints a line of information.
func Note(format string, args ...any) {
	defer HoldProgress()()
	fmt.Fprintf(os.Stderr, "envseal: %s\n", Printable(fmt.Sprintf(format, args...)))
}

// Hints are those that were given in a run over many files: each is given once, however many files
// fail for the same reason. The zero value is ready, and safe for concurrent use.
type Hints struct {
	mu    sync.Mutex
	given map[string]bool
}

// Say prints a failure, and its hint if it is a new one.
func (h *Hints) Say(err error) {
	_, hint := exit.Explain(err)
	h.mu.Lock()
	if h.given == nil {
		h.given = map[string]bool{}
	}
	if h.given[hint] {
		hint = ""
	}
	h.given[hint] = true
	h.mu.Unlock()
	Say(err, hint)
}
