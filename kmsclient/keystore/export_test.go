package keystore

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"github.com/envseal/envseal/kmsclient"
)

// restored opens an export as a keystore of its own.
func restored(t *testing.T, s *Store, o ExportOptions, open Options) *Store {
	t.Helper()
	var backup bytes.Buffer
	must(t, s.Export(&backup, o))
	path := filepath.Join(t.TempDir(), "backup")
	must(t, os.WriteFile(path, backup.Bytes(), 0o600))
	r, err := Open(path, open)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func TestExport(t *testing.T) {
	s := newStore(t)
	k := createKey(t, s)
	blob := encryptTo(t, s, k.ARN)
	must(t, s.RotateKeyOnDemand(t.Context(), k.KeyID))
	spare := filepath.Join(t.TempDir(), "spare.identity")
	recipient, err := createIdentity(spare)
	must(t, err)
	other, err := age.GenerateX25519Identity()
	must(t, err)
	own := Options{IdentityFile: s.path + identitySuffix}
	for name, r := range map[string]*Store{
		"as it is": restored(t, s, ExportOptions{}, own),
		"passphrase": restored(t, s, ExportOptions{Passphrase: []byte("safe"), WorkFactor: minWorkFactor},
			Options{Passphrase: passphraseOf("safe")}),
		"recipients": restored(t, s,
			ExportOptions{Recipients: []string{other.Recipient().String(), recipient}},
			Options{IdentityFile: spare}),
		"clear text": restored(t, s, ExportOptions{PlaintextInsecure: true}, Options{}),
	} {
		t.Run(name, func(t *testing.T) {
			opens(t, r, blob)
			opens(t, r, encryptTo(t, r, k.KeyID))
			if r.opener.passphrase != nil {
				return // scrypt takes its time
			}
			createKey(t, r)
			opens(t, openAgain(t, r), blob) // still protected in the same way after a change
		})
	}
	if list, err := s.ListKeys(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("the keystore itself has %d keys now (%v)", len(list), err)
	}
}

// openAgain opens the file of a Store with what opened it.
func openAgain(t *testing.T, s *Store) *Store {
	t.Helper()
	again, err := Open(s.path, Options{IdentityFile: s.opener.identity})
	must(t, err)
	t.Cleanup(func() { again.Close() })
	return again
}

// TestExportToTwo checks that a change does not lock the second holder of a backup out.
func TestExportToTwo(t *testing.T) {
	s := newStore(t)
	dir := t.TempDir()
	var recipients, files []string
	for _, name := range []string{"one", "two"} {
		files = append(files, filepath.Join(dir, name))
		r, err := createIdentity(filepath.Join(dir, name))
		must(t, err)
		recipients = append(recipients, r)
	}
	r := restored(t, s, ExportOptions{Recipients: recipients}, Options{IdentityFile: files[0]})
	k := createKey(t, r)
	second, err := Open(r.path, Options{IdentityFile: files[1]})
	must(t, err)
	defer second.Close()
	if !second.HasKey(k.KeyID) {
		t.Error("the second identity opens another keystore")
	}
}

func TestExportRefuses(t *testing.T) {
	s := newStore(t)
	clear := filled(t)
	for _, c := range []struct {
		from *Store
		o    ExportOptions
	}{
		{clear, ExportOptions{}},
		{s, ExportOptions{Passphrase: []byte("x"), PlaintextInsecure: true}},
		{s, ExportOptions{Passphrase: []byte("x"), WorkFactor: 30}},
		{s, ExportOptions{Recipients: []string{"age1nonsense"}}},
		{s, ExportOptions{Recipients: []string{"AGE-SECRET-KEY-1"}}},
	} {
		var out bytes.Buffer
		if err := c.from.Export(&out, c.o); err == nil || out.Len() > 0 {
			t.Errorf("%+v: %d bytes, %v", c.o, out.Len(), err)
		}
	}
	var out bytes.Buffer
	must(t, clear.Export(&out, ExportOptions{PlaintextInsecure: true}))
}

func TestClosed(t *testing.T) {
	s := newStore(t)
	k := createKey(t, s)
	st, err := s.acquire() // an operation under way
	must(t, err)
	must(t, s.Close())
	must(t, s.Close())
	if len(bytes.Trim(st.bytesOf(st.keys[0].current()), "\x00")) == 0 {
		t.Error("the keys of an operation under way were wiped")
	}
	s.release(st)
	if st.material.Bytes() != nil {
		t.Error("the keys are still there after Close and the last operation")
	}
	_, err = s.DescribeKey(t.Context(), k.KeyID, kmsclient.Options{})
	wantIs(t, err, ErrClosed, kmsclient.ErrUnavailable)
	wantIs(t, s.DisableKey(t.Context(), k.KeyID), ErrClosed)
	wantIs(t, s.Export(new(bytes.Buffer), ExportOptions{}), ErrClosed)
	if s.HasKey(k.KeyID) {
		t.Error("a closed keystore holds keys")
	}
}
