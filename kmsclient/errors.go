package kmsclient

import (
	"errors"
	"strings"
)

// The reasons for which a call fails. A caller decides by errors.Is; the exception name of KMS is
// in [Error.Code].
var (
	ErrNotFound          = errors.New("key or alias not found")
	ErrAccessDenied      = errors.New("access denied")
	ErrDisabled          = errors.New("key is disabled")
	ErrInvalidState      = errors.New("key is not in a state that allows this")
	ErrInvalidCiphertext = errors.New("ciphertext is damaged, or its encryption context differs")
	ErrIncorrectKey      = errors.New("ciphertext was not made by this key")
	ErrInvalidKeyUsage   = errors.New("key is not for this use")
	ErrInvalidGrantToken = errors.New("invalid grant token")
	ErrInvalidRequest    = errors.New("request is not valid")
	ErrAlreadyExists     = errors.New("already exists")
	ErrCredentials       = errors.New("no valid credentials")
	ErrThrottled         = errors.New("throttled")
	// ErrQuota: there are as many keys, aliases or rotations as there may be. It is a kind of
	// ErrThrottled: tried again like it, with the same exit code.
	ErrQuota       error = quotaError{}
	ErrUnavailable       = errors.New("key service cannot be reached or failed")
	// ErrBadAnswer: the service said yes, but what it returned cannot be used: empty, of the wrong
	// length, of another key.
	ErrBadAnswer = errors.New("key service gave an unusable answer")
	// ErrNotDryRun: the service does not know dry runs, and did what was asked for. The [Error] has
	// the kind ErrBadAnswer too.
	ErrNotDryRun = errors.New("service did what was asked for as a dry run only")
	// ErrDryRun is the answer to Options.DryRun where the real call would have been allowed.
	ErrDryRun = errors.New("dry run: the request would have succeeded")
)

// quotaError is [ErrQuota]. It has words of its own, which do not say that requests were too many.
type quotaError struct{}

func (quotaError) Error() string { return "a quota is reached" }
func (quotaError) Unwrap() error { return ErrThrottled }

// exceptions are the names that KMS has for kinds of failure.
var exceptions = []struct {
	kind error
	name string
}{
	{ErrNotFound, "NotFoundException"},
	{ErrAccessDenied, "AccessDeniedException"},
	{ErrDisabled, "DisabledException"},
	{ErrInvalidState, "KMSInvalidStateException"},
	{ErrInvalidCiphertext, "InvalidCiphertextException"},
	{ErrIncorrectKey, "IncorrectKeyException"},
	{ErrInvalidKeyUsage, "InvalidKeyUsageException"},
	{ErrInvalidGrantToken, "InvalidGrantTokenException"},
	{ErrInvalidRequest, "ValidationException"},
	{ErrAlreadyExists, "AlreadyExistsException"},
	{ErrDryRun, "DryRunOperationException"},
	{ErrQuota, "LimitExceededException"}, // before the kind that it is of
	{ErrThrottled, "ThrottlingException"},
	{ErrCredentials, "UnrecognizedClientException"},
	{ErrUnavailable, "DependencyTimeoutException"},
}

// KindOf is the kind of failure that KMS means by an exception, or nil for a name that is not in
// KMS's table of them: those of the signature check before KMS, say.
func KindOf(exception string) error {
	for _, e := range exceptions {
		if e.name == exception {
			return e.kind
		}
	}
	return nil
}

// Exception is the name of KMS's exception for an error of this package, or empty where KMS has
// none.
func Exception(err error) string {
	for _, e := range exceptions {
		if errors.Is(err, e.kind) {
			return e.name
		}
	}
	return ""
}

// Error is a failed call: which operation, for which key, what the service said.
type Error struct {
	Op        string // KMS operation, such as GenerateDataKey
	KeyID     string // as the caller gave it; may be empty
	Code      string // exception name of KMS, such as NotFoundException; may be empty
	Message   string // the service's own words; may be empty
	RequestID string // AWS request id; may be empty
	Kind      error  // one of the Err values of this package
	// the cause underneath; may be nil. Reached by errors.As, not printed where Message says enough
	Err error
}

// Error names the operation and the key before the reason. It holds no key bytes.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.KeyID != "" {
		b.WriteString(" " + e.KeyID)
	}
	b.WriteString(": " + e.Reason())
	var more []string
	if e.Code != "" {
		more = append(more, e.Code)
	}
	if e.RequestID != "" {
		more = append(more, "request id "+e.RequestID)
	}
	if len(more) > 0 {
		b.WriteString(" (" + strings.Join(more, ", ") + ")")
	}
	return b.String()
}

// Reason is what went wrong, without the operation, the key and the name of the exception.
func (e *Error) Reason() string {
	switch {
	case e.Message != "":
		return e.Message
	case e.Err != nil:
		return e.Err.Error()
	case e.Kind != nil:
		return e.Kind.Error()
	}
	return "failed"
}

// Unwrap gives both the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}
