package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Exit codes, stable; `envseal help exit-codes` prints them.
const (
	exitOther       = 1  // other failure
	exitUsage       = 2  // bad flags or arguments
	exitSome        = 3  // some of several files failed
	exitDamaged     = 4  // tampered, truncated, trailing bytes
	exitRefused     = 5  // KMS refused
	exitUnreachable = 6  // KMS not reachable, throttled, timed out
	exitNotEnvseal  = 7  // foreign file or newer format
	exitOutput      = 8  // output exists, is the input, cannot be written
	exitPolicy      = 9  // key, account or context not allowed
	exitProducer    = 10 // --from-command failed
	exitConsumer    = 11 // --to-command failed
)

// exitError is a failure that knows its exit code and, where useful, what to type next.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// fail makes an exitError. The message names the thing before the reason; %w works.
func fail(code int, hint, format string, args ...any) error {
	return &exitError{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

// codeOf is the exit code that err asks for, 0 if it asks for none.
func codeOf(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return 0
}

// reason takes the operation and the path off an error of package os: messages here name the file
// themselves, first.
func reason(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	case errors.As(err, &call):
		return call.Err
	}
	return err
}
