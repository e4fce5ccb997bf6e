package cmd

import (
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// namingFlags are those whose files a command reads keys or names from, or writes its log to.
var namingFlags = []string{"data-key", "recipient", "passphrase-file", "new-passphrase-file", "ca-bundle", "files0-from", "log-json"}

// ownFiles are the files that the command itself needs, as far as they are there. No output may replace one, whatever --force says: the only copy of a key would be gone.
func ownFiles(c *cli.Context) []*input {
	var all []*input
	for _, flag := range namingFlags {
		for _, name := range append(c.StringSlice(flag), c.String(flag)) {
			all = addOwn(all, name, "the file of --"+flag)
		}
	}
	for _, arg := range c.StringSlice("encryption-context") {
		if name, ok := strings.CutPrefix(arg, "file://"); ok {
			all = addOwn(all, name, "the file of --encryption-context")
		}
	}
	if path, err := keystorePath(c); err == nil {
		all = addOwn(all, path, "the keystore")
		all = addOwn(all, identityPath(c, path), "the identity file of the keystore")
	}
	return all
}

// addOwn adds the file name, and the link to it where the name is one.
func addOwn(all []*input, name, role string) []*input {
	if name == "" || name == "-" {
		return all
	}
	for _, stat := range []func(string) (os.FileInfo, error){os.Stat, os.Lstat} {
		if info, err := stat(name); err == nil {
			all = append(all, &input{name: name, info: info, role: role})
		}
	}
	return all
}

// outputError refuses an output that is the input in, or a file that the command needs.
func (in *input) outputError(target, hint string) error {
	role := in.role
	if role == "" {
		role = "the input"
	}
	return fail(exitOutput, hint, "%s: is %s as well", shown(target), role)
}

// ownFile is the one of the run's own files that st is of, nil if it is none of them.
func (t *treeRun) ownFile(st *unix.Stat_t) *input {
	id := fileID{uint64(st.Dev), uint64(st.Ino)}
	for _, in := range t.own {
		if idOf(in.info) == id {
			return in
		}
	}
	return nil
}
