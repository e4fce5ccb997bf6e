package testkit

import (
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// StoreWithKey makes a keystore with one key in it.
func StoreWithKey(t *testing.T, path string) (*keystore.Store, *kmsclient.KeyMetadata) {
	t.Helper()
	if err := keystore.Create(path, keystore.CreateOptions{PlaintextInsecure: true}); err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(path, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := store.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return store, key
}
