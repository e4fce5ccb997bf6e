package cmd

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// reported marks an error whose message has been printed.
type reported struct{ err error }

func (r *reported) Error() string { return r.err.Error() }
func (r *reported) Unwrap() error { return r.err }

// explanation is what one kind of error means to a user.
type explanation struct {
	is   error
	code int
	hint string
}

// explanations in the order in which they are looked for: the first that matches counts.
var explanations = []explanation{
	{keyring.ErrPolicy, exitPolicy, "allow the key with -k KEY or its account with --account ID, if you trust it; `envseal inspect FILE` shows the keys"},

	{keystore.ErrStrictFIPS, exitUsage, strictFIPSHint},
	{keystore.ErrWrite, exitOutput, "make room, or name a place that can be written with --keystore or ENVSEAL_KEYSTORE"},

	{kmsclient.ErrQuota, exitUnreachable, "a quota of the account or of the keystore is reached: remove what is not needed or have the quota raised, then try again"},
	{kmsclient.ErrThrottled, exitUnreachable, "the key service limits its requests; try again in a moment"},
	{kmsclient.ErrUnavailable, exitUnreachable, "check the endpoint and the network, then try again"},
	// before what other slots of the file were refused for: one of its data keys was at hand, and was not that of the file
	{envelope.ErrCommitment, exitDamaged, "the file is not what was sealed: copy it again from its source"},
	{kmsclient.ErrCredentials, exitRefused, ""},
	{kmsclient.ErrAccessDenied, exitRefused, "the caller lacks a permission on this key: see the operation named above in the key policy, the IAM policy or a grant"},
	{kmsclient.ErrDisabled, exitRefused, "enable the key first: `aws kms enable-key --key-id KEY`, or `envseal keystore enable-key NAME`"},
	{kmsclient.ErrInvalidState, exitRefused, "`aws kms describe-key --key-id KEY` shows the state; a scheduled deletion can be cancelled with `aws kms cancel-key-deletion`"},
	{kmsclient.ErrNotFound, exitRefused, "check the key id, the Region and the account; `aws kms list-aliases` or `envseal keystore list-keys` shows what there is"},
	{kmsclient.ErrInvalidCiphertext, exitRefused, "the encrypted data key or the encryption context in the header does not belong to this key: the header was altered, or the key is another one of the same name"},
	{kmsclient.ErrIncorrectKey, exitRefused, "the file was sealed for another key; `envseal inspect FILE` shows which"},
	{kmsclient.ErrInvalidKeyUsage, exitRefused, "a symmetric ENCRYPT_DECRYPT key is needed"},
	{kmsclient.ErrInvalidGrantToken, exitRefused, "leave --grant-tokens away once the grant is some minutes old"},
	{kmsclient.ErrBadAnswer, exitRefused, "whatever answers at this endpoint is not a sound KMS; nothing was written"},
	{kmsclient.ErrAlreadyExists, exitOther, ""},
	{kmsclient.ErrInvalidRequest, exitUsage, ""},

	{format.ErrArmored, exitNotEnvseal, "what begins with -----BEGIN ENVSEAL FILE----- is a sealed file as text, and this needs it without: sed '1d;$d' FILE | base64 -d"},
	{format.ErrNotEnvseal, exitNotEnvseal, "is this the sealed file? envseal files begin with the word envseal"},
	{format.ErrVersion, exitNotEnvseal, "a newer envseal made this file: upgrade to open it"},
	{format.ErrTooManySlots, exitDamaged, "if the file is meant to have so many keys, give --max-slots N"},
	{format.ErrTruncated, exitDamaged, "the file is cut off: copy it again from its source"},
	{format.ErrDamaged, exitDamaged, "the file is not what was sealed: copy it again from its source"},
	{envelope.ErrTruncated, exitDamaged, "the end is missing: copy the file again from its source"},
	{envelope.ErrTrailing, exitDamaged, "something was appended to the sealed file, or two were joined"},
	{envelope.ErrCompression, exitDamaged, "--no-decompress gives the compressed stream as it is"},
	{envelope.ErrMaxSize, exitPolicy, "give a larger --max-size if you expect that much"},
	{envelope.ErrTamperedEnd, exitDamaged, "an end that does not fit was most likely cut off or appended to: compare the size with that of its source, and copy it again"},
	{envelope.ErrDamaged, exitDamaged, "the file is not what was sealed: copy it again from its source"},
	{envelope.ErrNoMatch, exitRefused, "`envseal inspect FILE` shows the keys that open it"},
	{envelope.ErrTooLarge, exitOther, "use a larger --chunk-size"},

	{keystore.ErrWrongPassphrase, exitRefused, "give the passphrase that `envseal keystore init` was given, or the right --passphrase-file or identity file"},
	{keystore.ErrNeedPassphrase, exitRefused, "give --passphrase-file FILE, or run it on a terminal"},
	{keystore.ErrNeedIdentity, exitRefused, "name it with --identity-file or ENVSEAL_IDENTITY_FILE"},
	{keystore.ErrWrongIdentity, exitRefused, "name the identity file that `envseal keystore init` made with --identity-file"},
	{keystore.ErrExposed, exitRefused, "chmod 600 FILE"},
	{keystore.ErrNewer, exitNotEnvseal, "upgrade envseal to use this keystore"},
	{keystore.ErrLocked, exitUnreachable, "another envseal is changing it: try again"},
	{keystore.ErrNoKeystore, exitRefused, "make one with `envseal keystore init`, or name it with --keystore or ENVSEAL_KEYSTORE"},
	{keystore.ErrNoPath, exitRefused, "name it with --keystore or ENVSEAL_KEYSTORE, or set HOME"},
	{keystore.ErrNotKeystore, exitRefused, "name the keystore with --keystore or ENVSEAL_KEYSTORE; if it was this file, restore it from a backup"},
	{keystore.ErrExists, exitOutput, "choose another path with --keystore or ENVSEAL_KEYSTORE; a keystore is never overwritten"},
	{keystore.ErrDamaged, exitDamaged, "restore the keystore from a backup: without it, what it sealed cannot be opened"},

	{context.DeadlineExceeded, exitUnreachable, ""},
	{fs.ErrNotExist, exitOther, ""},
}

const strictFIPSHint = "GODEBUG=fips140=on takes all cryptography from Go's FIPS 140-3 module without refusing what is not approved; SECURITY.md says what that means"

// explain finds the exit code of an error and what to type next. An exit code given where the error arose comes first.
func explain(err error) (code int, hint string) {
	var e *exitError
	if errors.As(err, &e) {
		return e.code, e.hint
	}
	for _, x := range explanations {
		if errors.Is(err, x.is) {
			return x.code, x.hint
		}
	}
	return exitOther, ""
}

// oneLine prints joined errors on one line, each once, and keeps what came from outside (file names, key ids, a service's words) from steering the terminal.
func oneLine(err error) string {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		said := func(other string) bool { return other == line || strings.HasSuffix(other, ": "+line) } // the first may have names before it
		if !slices.ContainsFunc(lines, said) {
			lines = append(lines, line)
		}
	}
	return printable(strings.Join(lines, "; "))
}

// printable escapes whatever does not simply print: control characters, and those that change the direction of what follows.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}
