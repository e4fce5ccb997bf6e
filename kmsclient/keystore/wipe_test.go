package keystore

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"filippo.io/age"

	"github.com/envseal/envseal/envelope/keymem"
)

// TestMadeRSAPairIsWiped: the key is of no use once it is encoded.
func TestMadeRSAPairIsWiped(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte("text"), nil)
	must(t, err)
	p, err := takeRSA(key)
	must(t, err)
	defer p.private.Destroy()
	if _, err := rsa.DecryptOAEP(sha256.New(), nil, key, sealed, nil); err == nil {
		t.Error("a key that was wiped opens what was sealed to it")
	}
	made, err := x509.ParsePKCS8PrivateKey(p.private.Bytes())
	must(t, err)
	text, err := rsa.DecryptOAEP(sha256.New(), nil, made.(*rsa.PrivateKey), sealed, nil)
	if err != nil || string(text) != "text" {
		t.Errorf("the pair that was made opens %q, %v", text, err)
	}
}

// TestIdentitiesAreWiped: no identity outlives the header that it opened, or did not open.
func TestIdentitiesAreWiped(t *testing.T) {
	classic, err := age.GenerateX25519Identity()
	must(t, err)
	hybrid, err := age.GenerateHybridIdentity()
	must(t, err)
	file := filepath.Join(t.TempDir(), "identity")
	must(t, os.WriteFile(file, []byte(classic.String()+"\n"+hybrid.String()+"\n"), 0o600))
	for _, to := range []age.Recipient{classic.Recipient(), hybrid.Recipient()} {
		var sealed bytes.Buffer
		w, err := age.Encrypt(&sealed, to)
		must(t, err)
		must(t, w.Close())
		header, err := age.ExtractHeader(bytes.NewReader(sealed.Bytes()))
		must(t, err)
		ids, err := (&opener{identity: file}).fileIdentities()
		must(t, err)
		if len(ids) != 2 {
			t.Fatalf("%d identities, want 2", len(ids))
		}
		_, err = unwrap(header, ids)
		must(t, err)
		for _, id := range ids {
			if _, err := age.DecryptHeader(header, id); err == nil {
				t.Errorf("%T still opens the header", id)
			}
			if h, ok := id.(*age.HybridIdentity); ok {
				inner := reflect.ValueOf(h).Elem().FieldByName("k").Elem().Elem()
				kem, curve := inner.FieldByName("pq").Elem().Elem().FieldByName("key").Elem(),
					inner.FieldByName("t").Elem().Elem().FieldByName("privateKey")
				if !kem.IsZero() || len(bytes.Trim(curve.Bytes(), "\x00")) > 0 {
					t.Error("one of the halves of the hybrid identity is left")
				}
			}
			if s := fmt.Sprint(id); s == classic.String() || s == hybrid.String() {
				t.Errorf("%T still has its secret", id)
			}
			for _, path := range identitySecrets(id) {
				if !keymem.WipeField(id, path...) {
					t.Errorf("%T has no %v to wipe", id, path)
				}
			}
		}
	}
}
