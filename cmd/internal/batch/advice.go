package batch

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// Advise adds to an error of a command over its input name what the user more likely wanted of it.
func Advise(command, name string, err error) error {
	switch {
	case err == nil:
	case errors.Is(err, file.ErrDirectory) && strings.HasPrefix(err.Error(), ui.ShownInput(name)+":"):
		// and not the file of a flag
		return &exit.Error{Code: exit.Usage, Err: err, Hint: directoryHint(command, name)}
	case errors.Is(err, format.ErrNotEnvseal):
		if code, hint := exit.Explain(err); name == "-" {
			return &exit.Error{Code: code, Err: err,
				Hint: hint + "; standard input is read where no FILE is named"}
		}
		if k := keys.KeyFileAt(name); k != nil {
			if err = k.NotSealed(name); command == flags.Rewrap {
				err = &exit.Error{Code: exit.NotEnvseal, Err: err, Hint: k.Successor()}
			}
		}
	}
	return err
}

// directoryHint is how the command takes what is in a directory.
func directoryHint(command, name string) string {
	dir := "DIRECTORY"
	if name != "-" {
		dir = ui.ShellWord(name)
	}
	switch command {
	case flags.Encrypt:
		return "every file below it by itself: envseal encrypt -R -k KEY " + dir +
			"; all as one file: tar -c " + dir + " | envseal encrypt -k KEY -o NAME.tar.sealed"
	case flags.Decrypt, flags.Verify:
		return "every sealed file below it: envseal " + command + " -R " + dir
	}
	return "every sealed file below it: find " + dir +
		" -name '*.sealed' -exec envseal " + command + " {} +"
}

// NoOpenedName says why there is no name for what a file would be opened to. err is the reason if
// the file is sealed.
func NoOpenedName(name string, err error) error {
	info, statErr := os.Stat(name)
	switch {
	case statErr != nil:
		return file.InputError(name, statErr)
	case info.IsDir():
		return file.DirectoryError(name)
	}
	if k := keys.KeyFileAt(name); k != nil {
		return k.NotSealed(name)
	}
	return fmt.Errorf("%s: %w", ui.ShownInput(name), err)
}
