package cmd

import (
	"bytes"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyAttributes gives to the extended attributes of from. Access lists are among them: without one, the mode says more to the file's group than it did, so that
// one which cannot be copied is an error. Others may be the system's own affair, and are left behind where they cannot be set.
func copyAttributes(to, from *os.File) error {
	names, err := attribute(func(b []byte) (int, error) { return unix.Flistxattr(int(from.Fd()), b) })
	if err != nil {
		return nil // a file system without
	}
	for name := range bytes.SplitSeq(names, []byte{0}) {
		if len(name) == 0 {
			continue
		}
		value, err := attribute(func(b []byte) (int, error) { return unix.Fgetxattr(int(from.Fd()), string(name), b) })
		if err == nil {
			err = retry(func() error { return unix.Fsetxattr(int(to.Fd()), string(name), value, 0) })
		}
		if err != nil && string(name) == "system.posix_acl_access" {
			return err
		}
	}
	return nil
}

// attribute calls get for the size and then for the value.
func attribute(get func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := get(nil)
		if err != nil || n == 0 {
			return nil, err
		}
		b := make([]byte, n)
		if n, err = get(b); !errors.Is(err, syscall.ERANGE) {
			return b[:max(n, 0)], err
		}
	}
}
