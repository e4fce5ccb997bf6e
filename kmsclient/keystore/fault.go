package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/envseal/envseal/kmsclient"
)

// The reasons for which a keystore file cannot be made, opened or changed. Where they come out of
// an operation of [kmsclient.Service] they are wrapped in a [kmsclient.Error] of the kind
// ErrUnavailable, but for ErrWrite, whose has no kind: to try again would not help.
var (
	ErrNoKeystore      = fmt.Errorf("no keystore: %w", fs.ErrNotExist)
	ErrNoPath          = errors.New("no place for a keystore")
	ErrNotKeystore     = errors.New("is not a keystore")
	ErrWrite           = errors.New("keystore cannot be written")
	ErrExists          = fmt.Errorf("refusing to replace it: %w", fs.ErrExist)
	ErrNeedPassphrase  = errors.New("keystore needs a passphrase")
	ErrWrongPassphrase = errors.New("wrong passphrase")
	ErrNeedIdentity    = errors.New("keystore needs an identity file")
	ErrWrongIdentity   = errors.New("identity does not open this keystore")
	ErrExposed         = errors.New("identity file can be read by others; run chmod 600 on it")
	ErrDamaged         = errors.New("keystore is damaged")
	ErrNewer           = errors.New("keystore was written by a newer version")
	ErrLocked          = errors.New("keystore is locked by another process")
	ErrClosed          = errors.New("keystore is closed")
	ErrStrictFIPS      = errors.New("keystore needs algorithms that GODEBUG=fips140=only refuses")
)

// refuse makes KMS's answer to a misuse. The operation and the key are added by [complete].
func refuse(kind error, format string, args ...any) *kmsclient.Error {
	return &kmsclient.Error{Kind: kind, Code: kmsclient.Exception(kind),
		Message: fmt.Sprintf(format, args...)}
}

// refuseAs is refuse for a request that is not valid, with the name of a special exception.
func refuseAs(code, format string, args ...any) *kmsclient.Error {
	e := refuse(kmsclient.ErrInvalidRequest, format, args...)
	e.Code = code
	return e
}

// invalid is a parameter that breaks a constraint, in the words of KMS. The value is not shown
// where it may be secret.
func invalid(parameter, constraint string, args ...any) *kmsclient.Error {
	return refuse(kmsclient.ErrInvalidRequest,
		"1 validation error detected: Value at '%s' failed to satisfy constraint: %s",
		parameter, fmt.Sprintf(constraint, args...))
}

// checkLength is for a parameter of least to most bytes. The bounds are told as KMS tells them.
func checkLength(parameter string, n, least, most int) error {
	switch {
	case n < least:
		return invalid(parameter, "Member must have length greater than or equal to %d", least)
	case n > most:
		return invalid(parameter, "Member must have length less than or equal to %d", most)
	}
	return nil
}

func outsideEnum(parameter string, values []string) *kmsclient.Error {
	return invalid(parameter, "Member must satisfy enum value set: [%s]", strings.Join(values, ", "))
}

func dryRunDone() *kmsclient.Error {
	return refuse(kmsclient.ErrDryRun,
		"The request would have succeeded, but the DryRun option is set.")
}

func limitExceeded(what string, limit int) *kmsclient.Error {
	return refuse(kmsclient.ErrQuota, "a quota is reached: a keystore holds at most %d %s",
		limit, what)
}

// complete makes the error of an operation whole, if there is one: every operation defers it. What
// is not an answer of the service (the file is gone, the deadline is over) becomes an error of the
// kind ErrUnavailable around its cause; a call that its caller took back has no kind.
func complete(err *error, op, keyID string) {
	var e *kmsclient.Error
	switch {
	case *err == nil:
		return
	case errors.As(*err, &e):
		e.Op, e.KeyID = op, keyID
	case errors.Is(*err, context.Canceled), errors.Is(*err, ErrWrite):
		e = &kmsclient.Error{Op: op, KeyID: keyID, Err: *err}
	default:
		e = &kmsclient.Error{Op: op, KeyID: keyID, Kind: kmsclient.ErrUnavailable, Err: *err}
		if !errors.Is(*err, context.DeadlineExceeded) {
			e.Code = "KMSInternalException"
		}
	}
	*err = e
}

// cannotWrite says that a change of the keystore at path did not reach the disk.
func cannotWrite(path string, err error) error {
	return fmt.Errorf("%s: %w: %w", path, ErrWrite, err)
}
