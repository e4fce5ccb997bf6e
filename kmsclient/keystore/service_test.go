package keystore

import (
	"path/filepath"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/kmstest"
)

func TestService(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) kmsclient.Service { return newStore(t) })
}

// newStore is an empty keystore with an identity file.
func newStore(t testing.TB) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keystore")
	if err := Create(path, CreateOptions{IdentityFile: path + identitySuffix}); err != nil {
		t.Fatal(err)
	}
	return openStore(t, path)
}

func openStore(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
