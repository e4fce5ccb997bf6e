package awskms

import (
	"errors"
	"strings"
	"sync"
	"time"
)

// mfa asks for MFA codes, and stops the clock while somebody types. Who types may outlive the call
// that wanted the code: the SDK goes on asking for the next one.
type mfa struct {
	ask func() (string, error)

	mu     sync.Mutex
	typing bool
	timer  *time.Timer // nil where no time runs
	limit  time.Duration
}

var errNoTerminal = errors.New("an MFA code is needed, and there is no terminal to ask for it")

// token is the TokenProvider of the SDK.
func (m *mfa) token() (string, error) {
	if m.ask == nil {
		return "", errNoTerminal
	}
	m.setTyping(true)
	code, err := m.ask()
	m.setTyping(false)
	return strings.TrimSpace(code), err
}

// bound calls late once the limit has passed, not counting the time that token takes. stop ends it.
func (m *mfa) bound(limit time.Duration, late func()) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timer, m.limit = time.AfterFunc(limit, late), limit
	if m.typing {
		m.timer.Stop()
	}
	return m.forget
}

// setTyping stops the clock, or sets it anew.
func (m *mfa) setTyping(typing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.typing = typing
	switch {
	case m.timer == nil:
	case typing:
		m.timer.Stop()
	default:
		m.timer.Reset(m.limit)
	}
}

func (m *mfa) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timer.Stop()
	m.timer = nil
}
