package decrypt

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// Another file in the place of the one that was verified is refused, although it opens with the
// same key, and the key service is asked once.
func TestHeldKeyIsForOneFile(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "keystore")
	if err := keystore.Create(path, keystore.CreateOptions{PlaintextInsecure: true}); err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(path, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	meta, err := store.CreateKey(ctx, kmsclient.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := envelope.NewDataKey(ctx, nil, &keyring.KMSKey{Client: store, KeyID: meta.ARN})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Destroy()
	seal := func(text string) *bytes.Reader {
		var sealed bytes.Buffer
		_, err := envelope.Seal(ctx, &sealed, bytes.NewReader([]byte(text)), key, envelope.SealOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return bytes.NewReader(sealed.Bytes())
	}
	used := 0
	held := &heldKey{in: &file.Input{Name: "f"}, Identity: &keyring.Discovery{
		Client: func(kmsclient.ARN) (kmsclient.Client, error) { return store, nil },
		Used:   func(string) { used++ },
	}}
	defer held.destroy()
	one, other := seal("one"), seal("other")
	if _, err := envelope.Verify(ctx, one, envelope.OpenOptions{}, held); err != nil {
		t.Fatal(err)
	}
	one.Seek(0, io.SeekStart)
	var out bytes.Buffer
	_, err = envelope.Open(ctx, &out, one, envelope.OpenOptions{}, held)
	if err != nil || out.String() != "one" || used != 1 {
		t.Errorf("read again: %q, %v, the service was asked %d times", out.String(), err, used)
	}
	_, err = envelope.Open(ctx, &out, other, envelope.OpenOptions{}, held)
	testkit.WantCode(t, err, exit.Other, "changed while it was read")
	if out.String() != "one" {
		t.Errorf("%q was released", out.String())
	}
}
