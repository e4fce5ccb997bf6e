package keystore

import (
	"errors"
	"fmt"
	"io"
)

// ExportOptions says how a backup is protected. The zero value protects it as the keystore itself
// is protected, so that the same passphrase or identity opens it. Otherwise exactly one of
// Passphrase, Recipients and PlaintextInsecure is set.
type ExportOptions struct {
	Passphrase []byte // the caller keeps it and wipes it
	WorkFactor int    // of scrypt for Passphrase: 16..18, 0 means 17
	// Recipients are age recipients, age1...; any one of their identities opens the backup: an
	// operator's and one in a safe.
	Recipients []string
	// PlaintextInsecure writes the keys in the clear. It is also needed to export a clear-text
	// keystore as it is.
	PlaintextInsecure bool
}

// Export writes the whole keystore, with keys in every state, as a keystore file of its own: put in
// place it is a working keystore, protected from then on as the backup was. It is a consistent
// picture though other processes may change the keystore meanwhile.
func (s *Store) Export(w io.Writer, o ExportOptions) error {
	st, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(st)
	g, own, err := o.guard(st.guard)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	next, err := st.clone(0, s.now())
	if err != nil {
		return err
	}
	defer next.destroy()
	next.guard = g
	passphrase := o.Passphrase
	if own {
		release, err := s.holdPassphrase()
		if err != nil {
			return err
		}
		defer release()
		passphrase = s.passphrase()
	}
	raw, err := seal(next, passphrase)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err = w.Write(raw)
	return err
}

// holdPassphrase keeps Close from wiping the passphrase until release.
func (s *Store) holdPassphrase() (release func(), err error) {
	s.writing <- struct{}{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		<-s.writing
		return nil, ErrClosed
	}
	return func() { <-s.writing }, nil
}

// guard is the protection asked for. own tells that it is the keystore's.
func (o ExportOptions) guard(store guard) (g guard, own bool, err error) {
	switch {
	case count(len(o.Passphrase) > 0, len(o.Recipients) > 0, o.PlaintextInsecure) > 1:
		return guard{}, false, errors.New("choose one of passphrase, recipients and clear text")
	case o.PlaintextInsecure:
		return guard{}, false, nil
	case len(o.Passphrase) > 0:
		g, err = scryptGuard(o.WorkFactor)
		return g, false, err
	case len(o.Recipients) > 0:
		if _, err := parseRecipients(o.Recipients); err != nil {
			return guard{}, false, err
		}
		return guard{Recipients: o.Recipients}, false, nil
	case store.isClear():
		return guard{}, false, errors.New("the keystore is in clear text; give a passphrase or recipients, or say that clear text is meant")
	}
	return store, true, nil
}
