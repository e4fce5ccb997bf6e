// Package exit holds the exit codes, an error that knows its code and what to type next, and the
// one table that explains the errors of the core. It prints nothing, and ends no process. Begin
// with [Errorf] and [Explain].
package exit

import (
	"errors"
	"fmt"
)

// Exit codes, stable; `envseal help exit-codes` prints them.
const (
	Other       = 1  // other failure
	Usage       = 2  // bad flags or arguments
	Some        = 3  // some of several files failed
	Damaged     = 4  // tampered, truncated, appended to
	Refused     = 5  // KMS refused
	Unreachable = 6  // KMS not reachable, throttled, timed out
	NotEnvseal  = 7  // foreign file, newer format or pre-release
	Output      = 8  // output exists, is the input, cannot be written
	Policy      = 9  // key, account or context not allowed
	Producer    = 10 // --from-command failed
	Consumer    = 11 // --to-command failed
)

// Error is a failure that knows its exit code and, where useful, what to type next.
type Error struct {
	Code int    // one of those above
	Err  error  // the message
	Hint string // what to type next, "" where there is nothing to say
}

// Error is the message without the hint.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap is what the error is made of.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error. The message names the thing before the reason; %w works.
func Errorf(code int, hint, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...), Hint: hint}
}

// Code is the exit code that err asks for, 0 if it asks for none.
func Code(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// Reported marks an error whose message has been printed. It keeps the exit code.
type Reported struct{ Err error }

// Error is the message that has been printed.
func (r *Reported) Error() string { return r.Err.Error() }

// Unwrap is the error itself.
func (r *Reported) Unwrap() error { return r.Err }
