package keystore

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCreateThatCannotSync makes files in a directory that may be written but not read, so that it
// cannot be opened to be synced: nothing is left behind, and the next try finds nothing in its way.
func TestCreateThatCannotSync(t *testing.T) {
	for name, c := range map[string]struct{ keystoreMode, identityMode os.FileMode }{
		"identity": {0o700, 0o300},
		"keystore": {0o300, 0o700},
	} {
		t.Run(name, func(t *testing.T) {
			keystores, identities := t.TempDir(), t.TempDir()
			path, identity := filepath.Join(keystores, "keystore"), filepath.Join(identities, "identity")
			o := CreateOptions{IdentityFile: identity}
			must(t, os.Chmod(keystores, c.keystoreMode))
			must(t, os.Chmod(identities, c.identityMode))
			wantIs(t, unprivileged(func() error { return Create(path, o) }), ErrWrite, os.ErrPermission)
			for _, file := range []string{path, identity} {
				if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left: %v", filepath.Base(file), err)
				}
			}
			must(t, os.Chmod(keystores, 0o700))
			must(t, os.Chmod(identities, 0o700))
			must(t, Create(path, o))
			s, err := Open(path, Options{IdentityFile: identity})
			must(t, err)
			must(t, s.Close())
		})
	}
}

// unprivileged runs f on a thread to which modes of files apply, even for root. The thread ends
// with it.
func unprivileged(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		none := [2]unix.CapUserData{} // version 3 has two of 32 bits
		err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
		if err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}
