package kms

import (
	"errors"
	"fmt"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/kmsclient"
)

// awsError is a refusal of the key service in the words that the aws command prints, with the
// request id behind them.
type awsError struct{ refusal *kmsclient.Error }

func (e awsError) Error() string {
	r := e.refusal
	text := fmt.Sprintf(
		"An error occurred (%s) when calling the %s operation: %s", r.Code, r.Op, r.Message)
	if r.RequestID != "" {
		text += " (request id " + r.RequestID + ")"
	}
	return text
}

func (e awsError) Unwrap() error { return e.refusal }

// inWordsOfAWS words a failed call as the aws command does, where a service refused it.
func inWordsOfAWS(err error) error {
	var e *kmsclient.Error
	if exit.Code(err) != 0 || !errors.As(err, &e) {
		return err
	}
	code, hint := exit.Explain(err)
	switch { // other commands have a sealed file, and hints that would mislead here
	case errors.Is(err, kmsclient.ErrDryRun):
		code, hint = exit.Other, "the call is allowed; nothing was done"
	case errors.Is(err, kmsclient.ErrInvalidCiphertext):
		code, hint = exit.Refused, "the blob is damaged, was given in another encoding "+
			"(see --cli-binary-format), or the encryption context is not the one it was made with"
	case errors.Is(err, kmsclient.ErrIncorrectKey):
		code, hint = exit.Refused, "the blob was made by another key than the one named"
	}
	if e.Code != "" && e.Message != "" { // otherwise it is no answer of a service
		err = awsError{e}
	}
	return exit.Errorf(code, hint, "%w", err)
}
