package cmd

import (
	"os"
	"sync"
)

// hints are those that were given in a run over many files: each is given once, however many files fail for the same reason. The zero value is ready, and safe for
// concurrent use.
type hints struct {
	mu    sync.Mutex
	given map[string]bool
}

// say prints a failure, and its hint if it is a new one.
func (h *hints) say(err error) {
	_, hint := explain(err)
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
