package cmd

import (
	"os"
	"strings"
)

// ownName is a file that the command itself needs, such as one that it reads keys from or writes
// its log to, and what a message calls it.
type ownName struct{ name, role string }

// namedBy are the files that the flag names.
func namedBy(flag string, names ...string) (all []ownName) {
	for _, name := range names {
		all = append(all, ownName{name, "the file of --" + flag})
	}
	return all
}

// contextFiles are the files that the values of -c name.
func contextFiles(values []string) (all []ownName) {
	for _, value := range values {
		if name, ok := strings.CutPrefix(value, "file://"); ok {
			all = append(all, namedBy("encryption-context", name)...)
		}
	}
	return all
}

// ownFiles are those of the names that are there, and the links to them where names are links. No
// output may replace one, whatever --force says: the only copy of a key would be gone.
func ownFiles(groups ...[]ownName) (all []*input) {
	for _, group := range groups {
		for _, own := range group {
			if own.name == "" || own.name == "-" {
				continue
			}
			for _, stat := range []func(string) (os.FileInfo, error){os.Stat, os.Lstat} {
				if info, err := stat(own.name); err == nil {
					all = append(all, &input{name: own.name, info: info, role: own.role})
				}
			}
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
