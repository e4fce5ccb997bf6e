package cmd

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
)

// hints are those that were given in a run over many files: each is given once, however many files
// fail for the same reason. The zero value is ready, and safe for concurrent use.
type hints struct {
	mu    sync.Mutex
	given map[string]bool
}

// say prints a failure, and its hint if it is a new one.
func (h *hints) say(err error) {
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
	say(os.Stderr, err, hint)
}

// shellWord is s as a shell reads it back.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shown is name as it may stand in a message: quoted if it holds anything that could move the
// cursor of a terminal.
func shown(name string) string {
	for _, r := range name {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return strconv.Quote(name)
		}
	}
	return name
}

// display is [shown] for the name of an input as it was typed, of which - is standard input.
func display(name string) string { return shown(inputName(name)) }

// inputName is the name of an input as a log has it: exact, however it may look.
func inputName(name string) string {
	if name == "-" || name == "" {
		return "stdin"
	}
	return name
}

// named puts the file before the reason, unless the reason begins with it.
func named(name string, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), display(name)+":") {
		return err
	}
	return fmt.Errorf("%s: %w", display(name), err)
}

// mostNamed is how many names of failed files the last line of a run has.
const mostNamed = 20

// listed names the first few of all.
func listed(names []string, all int) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%q", n)
	}
	if all > len(names) {
		s += fmt.Sprintf(" and %d more", all-len(names))
	}
	return s
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// areFiles is "1 file is" or "2 files are".
func areFiles(n int) string {
	if n == 1 {
		return "1 file is"
	}
	return plural(n, "file") + " are"
}

// took is how long something took, for -v.
func took(start time.Time) string { return time.Since(start).Round(time.Millisecond).String() }
