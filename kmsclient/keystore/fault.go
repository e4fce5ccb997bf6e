package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/envseal/envseal/kmsclient"
)

// The reasons for which a keystore file cannot be made, opened or changed. An operation of
// [kmsclient.Service] wraps them in a [kmsclient.Error] of the kind ErrUnavailable. For ErrWrite it
// has no kind: to try again would not help.
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

// Exception names of KMS.
const (
	codeAlreadyExists     = "AlreadyExistsException"
	codeDisabled          = "DisabledException"
	codeDryRun            = "DryRunOperationException"
	codeIncorrectKey      = "IncorrectKeyException"
	codeInternal          = "KMSInternalException"
	codeInvalidAliasName  = "InvalidAliasNameException"
	codeInvalidCiphertext = "InvalidCiphertextException"
	codeInvalidGrantToken = "InvalidGrantTokenException"
	codeInvalidKeyUsage   = "InvalidKeyUsageException"
	codeInvalidState      = "KMSInvalidStateException"
	codeLimitExceeded     = "LimitExceededException"
	codeNotFound          = "NotFoundException"
	codeUnsupported       = "UnsupportedOperationException"
	codeValidation        = "ValidationException"
)

// refuse makes KMS's answer to a misuse. The operation and the key are added by [named].
func refuse(kind error, code, format string, args ...any) *kmsclient.Error {
	return &kmsclient.Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid is a parameter that breaks a constraint, in the words of KMS. The value is not shown if
// it may be secret.
func invalid(parameter, constraint string, args ...any) *kmsclient.Error {
	return refuse(kmsclient.ErrInvalidRequest, codeValidation,
		"1 validation error detected: Value at '%s' failed to satisfy constraint: %s",
		parameter, fmt.Sprintf(constraint, args...))
}

func outsideEnum(parameter string, values []string) *kmsclient.Error {
	return invalid(parameter, "Member must satisfy enum value set: [%s]", strings.Join(values, ", "))
}

func dryRunDone() *kmsclient.Error {
	return refuse(kmsclient.ErrDryRun, codeDryRun,
		"The request would have succeeded, but the DryRun option is set.")
}

func limitExceeded(what string, limit int) *kmsclient.Error {
	return refuse(kmsclient.ErrQuota, codeLimitExceeded,
		"a quota is reached: a keystore holds at most %d %s", limit, what)
}

// named completes the error of one operation. What is not an answer of the service (the file is
// gone, the deadline is over) becomes an error of the kind ErrUnavailable around its cause. A call
// that its caller cancelled has no kind.
func named(op, keyID string, err error) error {
	if err == nil {
		return nil
	}
	var e *kmsclient.Error
	if errors.As(err, &e) {
		e.Op, e.KeyID = op, keyID
		return e
	}
	e = &kmsclient.Error{Op: op, KeyID: keyID, Kind: kmsclient.ErrUnavailable, Err: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, ErrWrite):
		e.Kind = nil
	case !errors.Is(err, context.DeadlineExceeded):
		e.Code = codeInternal
	}
	return e
}

// cannotWrite says that a change of the keystore at path did not reach the disk.
func cannotWrite(path string, err error) error {
	return fmt.Errorf("%s: %w: %w", path, ErrWrite, err)
}
