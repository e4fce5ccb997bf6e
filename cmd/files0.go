package cmd

import (
	"bufio"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// maxName bounds a name in a list, so that a list which is none does not fill the memory.
const maxName = 1 << 16

func files0Flag() cli.Flag {
	return &cli.StringFlag{Name: "files0-from", Category: catFiles, Usage: "take the names from `FILE`, each ended by a zero byte, as find -print0 writes them; - is stdin"}
}

// newNamedBatch is newBatch for commands that take files only: named as arguments or by --files0-from, never stdin. Without any name it is an error, but an empty list
// is one with nothing to do.
func newNamedBatch(c *cli.Context) (*batch, error) {
	list := c.String("files0-from")
	if list == "" {
		if c.NArg() == 0 {
			return nil, fail(exitUsage, "name files, or a list of them with --files0-from", "no file given")
		}
		b, err := newBatch(c)
		if err == nil && b.names[0] == "-" {
			err = fail(exitUsage, "name files, or a list of them with --files0-from", "stdin cannot be used here")
		}
		return b, err
	}
	if c.NArg() > 0 {
		return nil, fail(exitUsage, "", "--files0-from goes without further files, %s is one", shown(c.Args().First()))
	}
	names, err := readNames(list)
	if err != nil {
		return nil, err
	}
	b := &batch{c: c, names: names}
	return b, b.checkValues()
}

// readNames reads a list of names.
func readNames(list string) ([]string, error) {
	in, err := openInput(list)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var names []string
	for r := bufio.NewReaderSize(in, maxName); ; {
		part, err := r.ReadSlice(0)
		switch {
		case err == bufio.ErrBufferFull:
			return nil, fail(exitUsage, "the names must be ended by zero bytes: find ... -print0", "%s: a name of more than %d bytes", display(list), maxName)
		case err == io.EOF && len(part) == 0:
			return names, nil
		case err != nil && err != io.EOF:
			return nil, err
		}
		name := strings.TrimSuffix(string(part), "\x00")
		switch {
		case len(names) == 0 && len(name) == len(part) && strings.Contains(name, "\n") && !isThere(name):
			return nil, fail(exitUsage, "find ends them so with -print0; a list of lines becomes one by: tr '\\n' '\\0'", "%s: the names are not ended by zero bytes", display(list))
		case name == "":
			return nil, fail(exitUsage, "", "%s: name %d is empty", display(list), len(names)+1)
		case name == "-":
			name = "." + string(os.PathSeparator) + name // a file of that name, as nobody types a list
		}
		names = append(names, name)
	}
}
