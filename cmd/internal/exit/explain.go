package exit

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// explanation is what one kind of error means to a user.
type explanation struct {
	is   error
	code int
	hint string
}

// explanations in the order in which they are looked for: the first that matches counts.
var explanations = []explanation{
	{keyring.ErrPolicy, Policy, "allow the key with -k KEY or its account with --account ID, if you trust it; `envseal inspect FILE` shows the keys"},

	{keystore.ErrStrictFIPS, Usage, StrictFIPSHint},
	{keystore.ErrWrite, Output,
		"make room, or name a place that can be written with --keystore or ENVSEAL_KEYSTORE"},

	{kmsclient.ErrQuota, Unreachable, "a quota of the account or of the keystore is reached: remove what is not needed or have the quota raised, then try again"},
	{kmsclient.ErrThrottled, Unreachable,
		"the key service limits its requests; try again in a moment"},
	{kmsclient.ErrUnavailable, Unreachable, "check the endpoint and the network, then try again"},
	// before what other slots of the file were refused for: one of its data keys was at hand, and was
	// not that of the file
	{envelope.ErrCommitment, Damaged,
		"the file is not what was sealed: copy it again from its source"},
	{kmsclient.ErrCredentials, Refused, ""},
	{kmsclient.ErrAccessDenied, Refused, "the caller lacks a permission on this key: see the operation named above in the key policy, the IAM policy or a grant"},
	{kmsclient.ErrDisabled, Refused,
		"enable the key first: `aws kms enable-key --key-id KEY`, or `envseal keystore enable-key NAME`"},
	{kmsclient.ErrInvalidState, Refused, "`aws kms describe-key --key-id KEY` shows the state; a scheduled deletion can be cancelled with `aws kms cancel-key-deletion`"},
	{kmsclient.ErrNotFound, Refused, "check the key id, the Region and the account; `aws kms list-aliases` or `envseal keystore list-keys` shows what there is"},
	{kmsclient.ErrInvalidCiphertext, Refused, "the encrypted data key or the encryption context in the header does not belong to this key: the header was altered, or the key is another one of the same name"},
	{kmsclient.ErrIncorrectKey, Refused,
		"the file was sealed for another key; `envseal inspect FILE` shows which"},
	{kmsclient.ErrInvalidKeyUsage, Refused, "a symmetric ENCRYPT_DECRYPT key is needed"},
	{kmsclient.ErrInvalidGrantToken, Refused,
		"leave --grant-tokens away once the grant is some minutes old"},
	{kmsclient.ErrBadAnswer, Refused,
		"whatever answers at this endpoint is not a sound KMS; nothing was written"},
	{kmsclient.ErrAlreadyExists, Other, ""},
	{kmsclient.ErrInvalidRequest, Usage, ""},

	{format.ErrArmored, NotEnvseal, "what begins with -----BEGIN ENVSEAL FILE----- is a sealed file as text, and this needs it without: sed '1d;$d' FILE | base64 -d"},
	{format.ErrNotEnvseal, NotEnvseal,
		"is this the sealed file? envseal files begin with the word envseal"},
	{format.ErrPreRelease, NotEnvseal, "no released envseal reads it: open it with the program that made it, and seal the plaintext again"},
	{format.ErrVersion, NotEnvseal, "a newer envseal made this file: upgrade to open it"},
	{format.ErrTooManySlots, Damaged, "if the file is meant to have so many keys, give --max-slots N"},
	{format.ErrTruncated, Damaged, "the file is cut off: copy it again from its source"},
	{format.ErrDamaged, Damaged, "the file is not what was sealed: copy it again from its source"},
	{envelope.ErrTruncated, Damaged, "the end is missing: copy the file again from its source"},
	{envelope.ErrCompression, Damaged, "--no-decompress gives the compressed stream as it is"},
	{envelope.ErrMaxSize, Policy, "give a larger --max-size if you expect that much"},
	{envelope.ErrJoined, Damaged, "keep each sealed file in a file of its own: the second one begins with the word envseal or with an armor line"},
	{envelope.ErrTamperedEnd, Damaged, "compare the size with that of its source, and copy it again"},
	{envelope.ErrDamaged, Damaged, "the file is not what was sealed: copy it again from its source"},
	{envelope.ErrNoMatch, Refused, "`envseal inspect FILE` shows the keys that open it"},
	{envelope.ErrTooLarge, Other,
		"use a larger --chunk-size; from 1MiB on a file holds the most, 4 PiB less one byte"},

	{keystore.ErrWrongPassphrase, Refused, "give the passphrase that `envseal keystore init` was given, or the right --passphrase-file or identity file"},
	{keystore.ErrNeedPassphrase, Refused, "give --passphrase-file FILE, or run it on a terminal"},
	{keystore.ErrNeedIdentity, Refused, "name it with --identity-file or ENVSEAL_IDENTITY_FILE"},
	{keystore.ErrWrongIdentity, Refused,
		"name the identity file that `envseal keystore init` made with --identity-file"},
	{keystore.ErrExposed, Refused, "chmod 600 FILE"},
	{keystore.ErrNewer, NotEnvseal, "upgrade envseal to use this keystore"},
	{keystore.ErrLocked, Unreachable, "another envseal is changing it: try again"},
	{keystore.ErrNoKeystore, Refused,
		"make one with `envseal keystore init`, or name it with --keystore or ENVSEAL_KEYSTORE"},
	{keystore.ErrNoPath, Refused, "name it with --keystore or ENVSEAL_KEYSTORE, or set HOME"},
	{keystore.ErrNotKeystore, Refused, "name the keystore with --keystore or ENVSEAL_KEYSTORE; if it was this file, restore it from a backup"},
	{keystore.ErrExists, Output,
		"choose another path with --keystore or ENVSEAL_KEYSTORE; a keystore is never overwritten"},
	{keystore.ErrDamaged, Damaged,
		"restore the keystore from a backup: without it, what it sealed cannot be opened"},

	{context.DeadlineExceeded, Unreachable, ""},
	{fs.ErrNotExist, Other, ""},
}

// StrictFIPSHint is what to type where GODEBUG=fips140=only refuses sealed files.
const StrictFIPSHint = "GODEBUG=fips140=on takes all cryptography from Go's FIPS 140-3 module without refusing what is not approved; SECURITY.md says what that means"

// Explain finds the exit code of an error and what to type next. An exit code given where the error
// arose comes first.
func Explain(err error) (code int, hint string) {
	var e *Error
	if errors.As(err, &e) {
		return e.Code, e.Hint
	}
	for _, x := range explanations {
		if errors.Is(err, x.is) {
			return x.code, x.hint
		}
	}
	return Other, ""
}

// Reason takes the operation and the path off an error of package os: messages here name the file
// themselves, first.
func Reason(err error) error {
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
