package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/envseal/envseal/format"
)

// errDirectory is why an input is refused that is none.
var errDirectory = errors.New("is a directory")

// advise adds to an error of a command over its input name what the user more likely wanted of it.
func advise(command, name string, err error) error {
	switch {
	case err == nil:
	case errors.Is(err, errDirectory) && strings.HasPrefix(err.Error(), display(name)+":"): // and not the file of a flag
		return &exitError{code: exitUsage, err: err, hint: directoryHint(command, name)}
	case errors.Is(err, format.ErrNotEnvseal):
		if code, hint := explain(err); name == "-" {
			return &exitError{code: code, err: err, hint: hint + "; standard input is read where no FILE is named"}
		}
		if k := keyFileAt(name); k != nil {
			if err = isKeyFile(name, k); command == verbRewrap {
				err = &exitError{code: exitNotEnvseal, err: err, hint: k.successor()}
			}
		}
	}
	return err
}

// directoryHint is how the command takes what is in a directory.
func directoryHint(command, name string) string {
	dir := "DIRECTORY"
	if name != "-" {
		dir = shellWord(name)
	}
	switch command {
	case verbEncrypt:
		return "every file below it by itself: envseal encrypt -R -k KEY " + dir + "; all as one file: tar -c " + dir + " | envseal encrypt -k KEY -o NAME.tar.sealed"
	case verbDecrypt, verbVerify:
		return "every sealed file below it: envseal " + command + " -R " + dir
	}
	return "every sealed file below it: find " + dir + " -name '*.sealed' -exec envseal " + command + " {} +"
}

// keyFileAt is the key file of that name, nil if it is none that can be read.
func keyFileAt(name string) *keyFile {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > format.MaxKeyFile {
		return nil
	}
	in, err := openInput(name)
	if err != nil {
		return nil
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, format.MaxKeyFile+1))
	if err != nil || !mayBeKeyFile(text) {
		return nil
	}
	k, err := parseKeyFile(text)
	if err != nil {
		return nil
	}
	return k
}

func isKeyFile(name string, k *keyFile) error {
	return fail(exitNotEnvseal, "`envseal inspect "+shellWord(name)+"` shows it; it is for `"+k.use(name)+"`", "%s: not a sealed file but an %s", display(name), k)
}

// successor says how a key file, which has no slots to change, follows a change of keys.
func (k *keyFile) successor() string {
	command := "envseal data-key -k KEY -o FILE"
	if k.pair != nil {
		command = "envseal key-pair -k KEY -o FILE"
	}
	return "a key file is not re-wrapped: make a new one for the new key with `" + command + "`; the files that were sealed with this one are re-wrapped themselves, each by its name"
}

// noOpenedName says why there is no name for what a file would be opened to, err being the reason if the file is one.
func noOpenedName(name string, err error) error {
	info, statErr := os.Stat(name)
	switch {
	case statErr != nil:
		return inputError(name, statErr)
	case info.IsDir():
		return directoryError(name)
	}
	if k := keyFileAt(name); k != nil {
		return isKeyFile(name, k)
	}
	return fmt.Errorf("%s: %w", display(name), err)
}
