package keystore

import (
	"cmp"
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/envseal/envseal/envelope/keymem"
)

// CreateOptions says how a new keystore is protected: by exactly one of Passphrase, IdentityFile
// and PlaintextInsecure.
type CreateOptions struct {
	Passphrase []byte // the caller keeps it and wipes it
	// of scrypt for the passphrase: 16..18, 0 means 17. One more doubles the time of opening
	WorkFactor   int
	IdentityFile string // path of an age identity file to make, mode 0600; it must not exist
	// PlaintextInsecure writes the keys in the clear: for keystores that live as long as a test.
	PlaintextInsecure bool
}

// DefaultPath is $ENVSEAL_KEYSTORE, or $XDG_DATA_HOME/envseal/keystore, or
// ~/.local/share/envseal/keystore. ErrNoPath where none of them is known.
func DefaultPath() (string, error) {
	if path := os.Getenv("ENVSEAL_KEYSTORE"); path != "" {
		return path, nil
	}
	data := os.Getenv("XDG_DATA_HOME")
	// the XDG base directory specification: a relative path is to be ignored
	if !filepath.IsAbs(data) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoPath, err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "envseal", "keystore"), nil
}

// Create makes an empty keystore, mode 0600, and its directory where that is missing. It replaces
// nothing: ErrExists. ErrWrite where it cannot be made. On failure it leaves neither keystore nor
// identity file. ErrStrictFIPS is as for Open.
func Create(path string, o CreateOptions) error {
	if fips140.Enforced() {
		return fmt.Errorf("%s: %w", path, ErrStrictFIPS)
	}
	g, err := o.guard()
	if err != nil {
		return err
	}
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return cannotWrite(path, err)
	}
	unlock, err := lockFile(context.Background(), path)
	if err != nil {
		return err
	}
	defer unlock()
	if err := refuseExisting(path); err != nil {
		return err
	}
	if o.IdentityFile != "" {
		recipient, err := createIdentity(o.IdentityFile)
		if err != nil {
			return err
		}
		g.Recipients = []string{recipient}
	}
	if err := writeEmpty(path, g, o.Passphrase); err != nil {
		// nobody loses the identity of a keystore that could not be removed
		if o.IdentityFile != "" && refuseExisting(path) == nil {
			os.Remove(o.IdentityFile)
		}
		return err
	}
	return nil
}

// makeDirs is os.MkdirAll whose directories outlive a crash as the keystore in them does: the name
// of each is synced.
func makeDirs(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err // nil where it exists
	}
	parent := filepath.Dir(dir)
	if err := makeDirs(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func (o CreateOptions) guard() (guard, error) {
	if count(len(o.Passphrase) > 0, o.IdentityFile != "", o.PlaintextInsecure) != 1 {
		return guard{}, errors.New("a keystore needs one of passphrase, identity file and clear text")
	}
	if len(o.Passphrase) == 0 {
		return guard{}, nil
	}
	return scryptGuard(o.WorkFactor)
}

// count is how many of the options are chosen.
func count(options ...bool) (chosen int) {
	for _, is := range options {
		if is {
			chosen++
		}
	}
	return chosen
}

func scryptGuard(workFactor int) (guard, error) {
	workFactor = cmp.Or(workFactor, defaultWorkFactor)
	if workFactor < minWorkFactor || workFactor > maxWorkFactor {
		return guard{}, fmt.Errorf("work factor %d is not in %d..%d",
			workFactor, minWorkFactor, maxWorkFactor)
	}
	return guard{WorkFactor: workFactor}, nil
}

func refuseExisting(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("%s: %w", path, ErrExists)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// writeEmpty makes the file, which must not exist. It leaves none behind where it is not certain to
// outlive a crash.
func writeEmpty(path string, g guard, passphrase []byte) error {
	raw, err := seal(&state{guard: g}, passphrase)
	if err != nil {
		return err
	}
	s, err := replaceFile(path, raw)
	s.close()
	if err != nil && s.info != nil { // it is in place: only its directory could not be synced
		os.Remove(path)
	}
	return err
}

// createIdentity makes an X25519 identity in the file format of age-keygen and returns its
// recipient. It leaves no file behind on failure.
func createIdentity(path string) (recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", err
	}
	defer keymem.WipeField(id, "secretKey")
	recipient = id.Recipient().String()
	text := fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n",
		time.Now().UTC().Format(time.RFC3339), recipient, id)
	defer clear(text)
	f, err := writeNew(path, text)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%s: %w", path, ErrExists)
	}
	if err != nil {
		return "", cannotWrite(path, err)
	}
	f.Close()
	if err := syncDir(filepath.Dir(path)); err != nil {
		os.Remove(path)
		return "", cannotWrite(path, err)
	}
	return recipient, nil
}
