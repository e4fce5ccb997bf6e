package cmd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// input is an opened source: a file named on the command line, or standard input.
//
// Read and ReadAt name the file in their errors, and make them exit 1. Both may be used by several goroutines as far as
// os.File allows it.
type input struct {
	*os.File
	name    string      // as typed, "stdin" for standard input
	path    string      // what was opened, "" for standard input
	info    os.FileInfo // from the opened file, not from its name
	role    string      // of a file that is no input, but one that the command needs: see ownFiles
	regular bool        // ReadAt works, and size is what will be read unless somebody changes the file
	size    int64       // bytes from the current position to the end, -1 if unknown
	head    []byte      // stands for the first bytes of the file; see useJournal
	unread  []byte      // what of head Read has not given out; the file's position is behind head

	apart    *input // its header, where that is another file which has been opened
	detached []byte // the bytes of that, where they can be read only once

	wait        *wait     // before each read of what is not regular
	command     *producer // what writes to the pipe that File reads, nil for an input that is simply there
	refuseEmpty bool      // an input without a single byte is a failure
	some        bool      // there was one
}

// openInput opens path for reading; "" and "-" are standard input.
//
// A directory, a device and a socket are refused as wrong usage: reading a terminal, a disk or /dev/zero by mistake is
// more likely than on purpose, and who means it can redirect (`envseal encrypt - < /dev/sdb`). A named pipe is opened like
// a file, which waits for its writer. /dev/stdin and /dev/fd/N are what they stand for, a terminal too.
func openInput(path string) (*input, error) {
	if path == "" || path == "-" {
		return standardInput(os.Stdin)
	}
	// Look before opening: merely opening a device can rewind a tape or arm a watchdog.
	info, err := os.Stat(path)
	if err != nil {
		return nil, inputError(path, err)
	}
	if err := checkInputType(path, info); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, inputError(path, err)
	}
	in := &input{File: f, name: path, path: path}
	if err := in.measure(); err != nil {
		f.Close()
		return nil, err
	}
	return in, nil
}

// standardInput is what f, the process's standard input, can tell of itself. Devices are allowed here: somebody redirected them.
func standardInput(f *os.File) (*input, error) {
	in := &input{File: f, name: "stdin"}
	if err := in.measure(); err != nil {
		return nil, err
	}
	if in.info.IsDir() {
		return nil, directoryError(in.name)
	}
	if maybeClosed(f, in.info) {
		warn("stdin: is closed, or /dev/null: there is nothing to read")
	}
	return in, nil
}

// maybeClosed tells whether a standard descriptor may have been closed when the process was started: Go's runtime then opens /dev/null on it, for reading and
// writing. So do some programs for those they start, which is why this is worth no more than a warning.
func maybeClosed(f *os.File, info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil || !os.SameFile(null, info) {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}

// measure fills info, regular and size from the opened file.
func (in *input) measure() error {
	info, err := in.File.Stat()
	if err != nil {
		return inputError(in.name, err)
	}
	in.info, in.size = info, -1
	if in.path != "" {
		if err := checkInputType(in.path, info); err != nil {
			return err
		}
	}
	if !info.Mode().IsRegular() {
		widen(in.File)
		in.wait, err = newWait()
		return err
	}
	if isGenerated(in.File, info) {
		return nil
	}
	at, err := in.Seek(0, io.SeekCurrent)
	if err != nil {
		return inputError(in.name, err)
	}
	in.regular, in.size = true, max(info.Size()-at, 0)
	if in.size >= 1<<20 {
		adviseSequential(in.File)
	}
	return nil
}

func checkInputType(path string, info os.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return directoryError(path)
	case mode&fs.ModeSocket != 0:
		return fail(exitUsage, "a socket can be redirected to standard input", "%s: is a socket", shown(path))
	case mode&fs.ModeDevice != 0:
		if _, ok := descriptorNumber(path); ok {
			return nil
		}
		return fail(exitUsage, "to read it all the same: "+redirected(os.Args, path), "%s: is a device", shown(path))
	}
	return nil
}

// redirected is the command line args with path as standard input.
func redirected(args []string, path string) string {
	if !slices.Contains(args, path) {
		return "redirect it to standard input"
	}
	words := []string{"envseal"}
	for _, a := range args[min(1, len(args)):] {
		if a == path {
			a = "-"
		}
		words = append(words, shellWord(a))
	}
	return strings.Join(words, " ") + " < " + shellWord(path)
}

// shellWord is s as a shell reads it back.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// errDirectory is why an input is refused that is none.
var errDirectory = errors.New("is a directory")

func directoryError(name string) error {
	return fail(exitUsage, "", "%s: %w", shown(name), errDirectory)
}

// Close closes the file; standard input stays open.
func (in *input) Close() error {
	if in.wait != nil {
		in.wait.close()
	}
	if in.apart != nil {
		in.apart.Close()
	}
	if in.command != nil {
		in.command.close()
	}
	if in.path == "" && in.command == nil {
		return nil
	}
	return in.File.Close()
}

// sealedPerm is the mode of a sealed file: that of the input, or where the input is no file, what a new file gets.
func sealedPerm(in *input) os.FileMode {
	if in.info.Mode().IsRegular() {
		return in.info.Mode().Perm()
	}
	return 0o666 &^ umask()
}

// openedPerm is the mode of a decrypted file: never more than the owner's read and write, and never more than the sealed
// file's, unless preserve says to take the sealed file's as it is.
func openedPerm(in *input, preserve bool) os.FileMode {
	if !in.info.Mode().IsRegular() {
		return 0o600
	}
	if preserve {
		return in.info.Mode().Perm()
	}
	return in.info.Mode().Perm() & 0o600
}

func inputError(name string, err error) error {
	return fail(exitOther, "", "%s: %w", shown(name), reason(err))
}

// reason takes the operation and the path off an error of package os: messages here name the file themselves, first.
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

// descriptorNumber is N if path is one of the names of the process's own descriptor N, such as /dev/stdout or /dev/fd/3.
func descriptorNumber(path string) (int, bool) {
	path = filepath.Clean(path)
	switch path {
	case "/dev/stdin":
		return 0, true
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if number, ok := strings.CutPrefix(path, dir); ok {
			n, err := strconv.ParseUint(number, 10, 31)
			return int(n), err == nil
		}
	}
	return 0, false
}

// shown is name as it may stand in a message: quoted if it holds anything that could move the cursor of a terminal.
func shown(name string) string {
	for _, r := range name {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return strconv.Quote(name)
		}
	}
	return name
}
