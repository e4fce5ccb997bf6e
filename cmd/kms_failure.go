package cmd

import (
	"errors"
	"fmt"

	"github.com/envseal/envseal/kmsclient"
)

// awsError is a refusal of the key service in the words that the aws command prints, with the request id behind them.
type awsError struct{ refusal *kmsclient.Error }

func (e awsError) Error() string {
	r := e.refusal
	text := fmt.Sprintf("An error occurred (%s) when calling the %s operation: %s", r.Code, r.Op, r.Message)
	if r.RequestID != "" {
		text += " (request id " + r.RequestID + ")"
	}
	return text
}

func (e awsError) Unwrap() error { return e.refusal }

// kmsHints are what to do where the hint of other commands, which have a sealed file, would mislead.
var kmsHints = []explanation{
	{is: kmsclient.ErrDryRun, code: exitOther, hint: "the call is allowed; nothing was done"},
	{is: kmsclient.ErrInvalidCiphertext, code: exitRefused, hint: "the blob is damaged, was given in another encoding (see --cli-binary-format), or the encryption context is not the one it was made with"},
	{is: kmsclient.ErrIncorrectKey, code: exitRefused, hint: "the blob was made by another key than the one named"},
}

// kmsFailure words a failed call as the aws command does, where a service refused it.
func kmsFailure(err error) error {
	var e *kmsclient.Error
	if codeOf(err) != 0 || !errors.As(err, &e) {
		return err
	}
	code, hint := explain(err)
	for _, h := range kmsHints {
		if errors.Is(err, h.is) {
			code, hint = h.code, h.hint
		}
	}
	if e.Code != "" && e.Message != "" { // otherwise it is no answer of a service
		err = awsError{e}
	}
	return fail(code, hint, "%w", err)
}
