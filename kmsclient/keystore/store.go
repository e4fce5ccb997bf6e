package keystore

import (
	"context"
	"crypto/fips140"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// Store is an open keystore. It implements [kmsclient.Service] and is safe for concurrent use;
// other processes may use the same file.
type Store struct {
	path    string // with symbolic links resolved: a rename must replace the file, not a link to it
	opener  opener
	now     func() time.Time
	writing chan struct{} // holds one token while a change is under way in this process

	mu      sync.Mutex
	closed  bool
	stamp   stamp
	current *state
}

var _ kmsclient.Service = (*Store)(nil)

// Options says how to open a keystore. The zero value opens one whose identity file stands beside
// it.
type Options struct {
	// Passphrase is asked only when the file needs one, and once. The slice it returns is wiped.
	Passphrase func() ([]byte, error)
	// IdentityFile is an age identity file. Empty means the keystore's path and ".identity", when that
	// exists.
	IdentityFile string
}

// Open opens a keystore, reading it once. The caller owes the Close. Errors wrap ErrNoKeystore,
// ErrNeedPassphrase, ErrWrongPassphrase, ErrNeedIdentity, ErrWrongIdentity, ErrExposed,
// ErrNotKeystore, ErrDamaged, ErrNewer or ErrStrictFIPS, or come from the operating system.
func Open(path string, o Options) (*Store, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path // reading it says best what is wrong
	}
	raw, stamp, err := readFile(real)
	if err != nil {
		return nil, err
	}
	if fips140.Enforced() { // or a sound file would be called damaged
		stamp.close()
		return nil, fmt.Errorf("%s: %w", path, ErrStrictFIPS)
	}
	s := &Store{path: real, stamp: stamp, now: time.Now, writing: make(chan struct{}, 1)}
	s.opener = opener{identity: findIdentity(path, o.IdentityFile)}
	if needsPassphrase(raw) && o.Passphrase != nil {
		if s.opener.passphrase, err = askPassphrase(o.Passphrase); err != nil {
			stamp.close()
			return nil, err
		}
	}
	if s.current, err = s.opener.open(raw); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.current.refs = 1
	return s, nil
}

func findIdentity(path, given string) string {
	if given != "" {
		return given
	}
	if _, err := os.Stat(path + identitySuffix); err == nil {
		return path + identitySuffix
	}
	return ""
}

// askPassphrase moves the passphrase into locked memory.
func askPassphrase(ask func() ([]byte, error)) (*keymem.Buffer, error) {
	given, err := ask()
	if err != nil {
		return nil, err
	}
	defer keymem.Wipe(given)
	if len(given) == 0 {
		return nil, ErrWrongPassphrase
	}
	buf, err := keymem.New(len(given))
	if err != nil {
		return nil, err
	}
	copy(buf.Bytes(), given)
	return buf, nil
}

// Close wipes all keys, once the operations that are under way have ended. It may be called more
// than once.
func (s *Store) Close() error {
	s.writing <- struct{}{} // a change in this process may need the passphrase
	defer func() { <-s.writing }()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.stamp.close()
	if s.current != nil {
		s.drop(s.current)
	}
	if s.opener.passphrase != nil {
		s.opener.passphrase.Destroy()
	}
	return nil
}

// HasKey tells whether the keystore holds the key or alias, named in any of the forms that KMS
// takes. A file that cannot be read holds none.
func (s *Store) HasKey(keyID string) bool {
	st, err := s.acquire()
	if err != nil {
		return false
	}
	defer s.release(st)
	_, err = st.resolve(keyID)
	return err == nil
}

// acquire lends the current state, read again where the file has been replaced. The caller owes the
// release. Keys whose deletion is due are not in what it lends, but stay in the current state:
// where a clock was wrong and is set right, they are there again.
func (s *Store) acquire() (*state, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if err := s.refresh(); err != nil {
		return nil, err
	}
	if now := s.now(); s.current.anyDue(now) {
		next, err := s.current.clone(0, now)
		if err != nil {
			return nil, err
		}
		next.refs = 1
		return next, nil
	}
	s.current.refs++
	return s.current, nil
}

// refresh reads the file again if it is not the one that was read. It is called with mu held.
func (s *Store) refresh() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("keystore is gone: %w", err)
	}
	if s.stamp.matches(info) {
		return nil
	}
	raw, stamp, err := readFile(s.path)
	if err != nil {
		return err
	}
	next, err := s.opener.open(raw)
	if err != nil {
		stamp.close()
		return fmt.Errorf("%s: %w", s.path, err)
	}
	s.publish(next, stamp)
	return nil
}

// publish makes next, read or written with this stamp, the current state. It is called with mu
// held.
func (s *Store) publish(next *state, stamp stamp) {
	next.refs = 1
	s.drop(s.current)
	s.current = next
	s.stamp.close()
	s.stamp = stamp
}

func (s *Store) release(st *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(st)
}

// drop gives up one hold on a state and wipes it after the last one. It is called with mu held.
func (s *Store) drop(st *state) {
	if st.refs--; st.refs == 0 {
		st.destroy()
	}
}

// change applies one change and writes the file, alone among all goroutines and processes. Nothing
// has changed when it fails, but for one case: the directory could not be synced after the rename.
// apply may add up to extra backing keys.
func (s *Store) change(ctx context.Context, extra int, apply func(*state, time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	unlock, err := lockFile(ctx, s.path)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(st)
	now := s.now().UTC().Truncate(time.Millisecond)
	next, err := st.clone(extra, now)
	if err != nil {
		return err
	}
	if err := apply(next, now); err != nil {
		next.destroy()
		return err
	}
	return s.write(next)
}

func (s *Store) write(next *state) error {
	raw, err := seal(next, s.passphrase())
	if err != nil {
		next.destroy()
		return err
	}
	stamp, err := replaceFile(s.path, raw)
	if stamp.info == nil {
		next.destroy()
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish(next, stamp)
	return err
}

func (s *Store) passphrase() []byte {
	if s.opener.passphrase == nil {
		return nil
	}
	return s.opener.passphrase.Bytes()
}
